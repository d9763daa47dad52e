/** Who changed what. */
import { Fragment, useState } from 'react';
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { When } from '../../common/Fact';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { useFilters } from '../../common/url';
import { MONO } from '../../theme';

type Entry = Schemas['AuditEntry'];

/** The fields that differ between two states of an object, as `name: before → after`. */
export function differences(before: unknown, after: unknown): string[] {
  const fields = (value: unknown) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});
  const [old, next] = [fields(before), fields(after)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(next)])].filter((name) => name !== 'updated_at');
  const text = (value: unknown) => (value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value));
  return names.filter((name) => JSON.stringify(old[name]) !== JSON.stringify(next[name])).map((name) => `${name}: ${text(old[name])} → ${text(next[name])}`);
}

function One({ entry }: { entry: Entry }) {
  const [open, setOpen] = useState(false);
  const lines = differences(entry.before, entry.after);
  return (
    <Fragment>
      <TableRow hover>
        <TableCell><When at={entry.at} /></TableCell><TableCell>{entry.actor}</TableCell><TableCell>{entry.action}</TableCell><TableCell>{entry.object}</TableCell><TableCell>{entry.address}</TableCell>
        <TableCell align="right" sx={{ py: '0 !important' }}>{lines.length > 0 && <Button onClick={() => setOpen(!open)}>{open ? 'Less' : `${lines.length} fields`}</Button>}</TableCell>
      </TableRow>
      {open && (
        <TableRow>
          <TableCell colSpan={6} sx={{ bgcolor: 'background.default' }}>
            <Box sx={{ fontFamily: MONO, fontSize: '0.72rem', lineHeight: 1.6, overflowWrap: 'anywhere' }}>{lines.map((line) => <div key={line}>{line}</div>)}<Box sx={{ color: 'text.secondary' }}>request {entry.request_id}</Box></Box>
          </TableCell>
        </TableRow>
      )}
    </Fragment>
  );
}

/** The panel. */
export function Audit() {
  const [query, set] = useFilters();
  const cursor = query.get('cursor') ?? undefined;
  const audit = useQuery({ queryKey: ['audit', cursor], queryFn: () => body(api.GET('/api/v1/audit', { params: { query: { limit: 100, cursor } } })) });
  const next = audit.data?.next_cursor;
  return (
    <>
      <Trouble error={audit.error} />
      <Panel flush title="Audit" note="newest first" tools={<>{cursor && <Button onClick={() => set({ cursor: '' }, true)}>« newest</Button>}<Button disabled={!next} onClick={() => next && set({ cursor: next }, true)}>older →</Button></>}>
        {audit.data?.data.length === 0 && <Empty title="Nothing was changed yet">Every change by a person or a program is written here, with what was before.</Empty>}
        {(audit.data?.data.length ?? 0) > 0 && (
          <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' }, '& tr:last-child td': { borderBottom: 0 } }}>
            <TableHead><TableRow><TableCell>Time</TableCell><TableCell>Who</TableCell><TableCell>What</TableCell><TableCell>Object</TableCell><TableCell>From</TableCell><TableCell component="td" /></TableRow></TableHead>
            <TableBody>{audit.data?.data.map((entry) => <One key={entry.id} entry={entry} />)}</TableBody>
          </Table>
        )}
      </Panel>
    </>
  );
}
