/** Who is registered where, and who was refused. */
import { Box, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { State, When } from '../../common/Fact';
import { Empty, Panel, Trouble } from '../../common/Panel';

type Told = Schemas['Peers'];

const TABLE = { '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } } as const;
const TONE = { registered: 'success', failed: 'error', out: 'default' } as const;

function Registrations({ rows }: { rows: Told['registrations'] }) {
  if (rows.length === 0) return <Empty title="We register nowhere">An egress trunk registers with its terminator when its policy has a registration.</Empty>;
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow><TableCell>Egress trunk</TableCell><TableCell>State</TableCell><TableCell>Until</TableCell></TableRow></TableHead>
      <TableBody>
        {rows.map((row) => (
          <TableRow key={row.egress_trunk.id}>
            <TableCell>{row.egress_trunk.code}</TableCell>
            <TableCell><State tone={TONE[row.state]}>{row.state}</State> {row.status != null && `answered ${row.status}`}</TableCell>
            <TableCell><When at={row.until} /></TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function Bindings({ rows }: { rows: Told['bindings'] }) {
  if (rows.length === 0) return <Empty title="Nobody has registered">Subscribers register with the digest of an ingress trunk’s policy.</Empty>;
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow><TableCell>Subscriber</TableCell><TableCell>Contact</TableCell><TableCell>From</TableCell><TableCell>At node</TableCell><TableCell>Since</TableCell><TableCell>Until</TableCell></TableRow></TableHead>
      <TableBody>
        {rows.map((row) => (
          <TableRow key={`${row.record} ${row.contact}`}>
            <TableCell>{row.record}</TableCell><TableCell>{row.contact}</TableCell><TableCell>{row.from}</TableCell>
            <TableCell>{row.node}{!row.reached && <> <State tone="warning">not called from here</State></>}</TableCell>
            <TableCell><When at={row.since} /></TableCell><TableCell><When at={row.until} /></TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

function Strangers({ rows }: { rows: Told['strangers'] }) {
  if (rows.length === 0) return <Empty title="No stranger has called">What comes from an address that no trunk has is refused, and shown here.</Empty>;
  return (
    <Table size="small" sx={TABLE}>
      <TableHead><TableRow><TableCell>When</TableCell><TableCell>From</TableCell><TableCell>Method</TableCell><TableCell>To</TableCell><TableCell>Why refused</TableCell></TableRow></TableHead>
      <TableBody>
        {rows.slice(0, 50).map((row, place) => (
          <TableRow key={place}>
            <TableCell><When at={row.at} /></TableCell><TableCell>{row.from}</TableCell><TableCell>{row.method}</TableCell><TableCell>{row.user}</TableCell>
            <TableCell>{row.reason === 'intruder' ? 'spoke in another peer’s dialog' : 'no trunk has this address'}</TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  );
}

/** The panels. */
export function Peers() {
  const peers = useQuery({ queryKey: ['peers'], queryFn: () => body(api.GET('/api/v1/peers')), refetchInterval: 5_000 });
  if (!peers.data) return <Trouble error={peers.error} />;
  const { registrations, bindings, strangers } = peers.data;
  return (
    <Box sx={{ display: 'grid', gap: 1.5, gridTemplateColumns: { xs: 'minmax(0, 1fr)', lg: 'minmax(0, 1fr) minmax(0, 2fr)' }, alignItems: 'start', mt: 1.5 }}>
      <Panel title="Our registrations" note="with terminators" flush><Registrations rows={registrations} /></Panel>
      <Panel title="Subscribers" note="registered with us" flush><Bindings rows={bindings} /></Panel>
      <Box sx={{ gridColumn: '1 / -1' }}><Panel title="Strangers" note="the latest 50 refused" flush><Strangers rows={strangers} /></Panel></Box>
    </Box>
  );
}
