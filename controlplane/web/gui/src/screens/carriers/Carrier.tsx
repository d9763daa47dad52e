/** One carrier: its accounts, and its trunks in both directions. */
import { useState } from 'react';
import { Box, Button } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { api, body, tagged, type Schemas } from '../../api/http';
import { ChangeDialog } from '../../common/Change';
import { Confirm } from '../../common/Form';
import { State } from '../../common/Fact';
import { Head, Trouble, Waiting } from '../../common/Panel';
import { Policied } from '../../common/policy/Policied';
import { LimitsOfCarrier } from '../nodes/Limits';
import { Accounts } from './Accounts';
import { EgressTrunks, IngressTrunks, OfCarrier } from './Trunks';
import { CARRIER_FIELDS, CARRIER_LIMITS, carrierStart } from './fields';
import { May } from '../../common/May';

/** The screen. */
export default function Carrier({ id }: { id: string }) {
  const queries = useQueryClient();
  const [, go] = useLocation();
  const path = { path: { id } };
  const read = () => tagged(api.GET('/api/v1/carriers/{id}', { params: path }));
  const carrier = useQuery({ queryKey: ['carrier', id], queryFn: read });
  const [doing, setDoing] = useState<'change' | 'delete' | null>(null);
  if (carrier.error) return <Trouble error={carrier.error} retry={() => void carrier.refetch()} />;
  if (!carrier.data) return <Waiting />;
  const { value, etag } = carrier.data;
  return (
    <>
      <Head title={value.code} note={<>{value.name !== value.code && <><bdi>{value.name}</bdi> </>}<State tone={value.blocked ? 'error' : 'success'}>{value.blocked ? 'blocked' : 'open'}</State> <Policied policy={value.policy} /></>}>
        <Button component={Link} href={`/calls?originator=${id}`}>Calls in</Button>
        <Button component={Link} href={`/calls?terminator=${id}`}>Calls out</Button>
        <Button component={Link} href={`/cdrs?originator=${id}`}>CDRs in</Button>
        <Button component={Link} href={`/cdrs?kind=attempt&terminator=${id}`}>CDRs out</Button>
        <May to="write"><Button variant="outlined" onClick={() => setDoing('change')}>Edit</Button></May>
        <May to="write"><Button color="error" onClick={() => setDoing('delete')}>Delete</Button></May>
      </Head>
      <Box sx={{ display: 'grid', gap: 1.5 }}>
        <Accounts carrier={value} />
        <IngressTrunks carrier={value} />
        <EgressTrunks carrier={value} />
        <LimitsOfCarrier carrier={value} />
        <OfCarrier carrier={value} />
      </Box>
      {doing === 'change' && (
        <ChangeDialog name={id} title={`Edit ${value.code}`} side="carrier" fields={[...CARRIER_FIELDS, ...CARRIER_LIMITS]} read={read} onClose={() => setDoing(null)} start={carrierStart}
          send={(values, tag) => body(api.PATCH('/api/v1/carriers/{id}', { params: { ...path, header: { 'if-match': tag } }, body: values as Schemas['CarrierPatch'] }))} />
      )}
      {doing === 'delete' && (
        <Confirm title={`Delete ${value.code}?`} verb="Delete" onClose={() => setDoing(null)}
          onSend={async () => {
            await body(api.DELETE('/api/v1/carriers/{id}', { params: { ...path, header: { 'if-match': etag } } }));
            await queries.invalidateQueries({ queryKey: ['carriers'] });
            go('/carriers');
          }}>
          A carrier that still has accounts or trunks cannot be deleted. To stop its calls at once, block it instead.
        </Confirm>
      )}
    </>
  );
}
