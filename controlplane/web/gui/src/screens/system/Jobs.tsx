/** Work in the background: exports and what goes when it is old. */
import { useState } from 'react';
import { Box, Button, Table, TableBody, TableCell, TableHead, TableRow, Tooltip } from '@mui/material';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/http';
import { FormDialog } from '../../common/Form';
import { State, When } from '../../common/Fact';
import { bytes, count } from '../../common/format';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { useFilters } from '../../common/url';
import { MONO } from '../../theme';
import { useMay } from '../../common/May';

type Job = Schemas['Job'];

const KINDS: Record<string, string> = { cdr_export: 'Export of CDRs', retention: 'Retention' };
const TONES = { waiting: 'info', running: 'info', done: 'success', failed: 'error', cancelled: 'warning' } as const;

/** What a job has done so far, in words. */
export function progress(job: Pick<Job, 'kind' | 'done' | 'total' | 'bytes' | 'file'>): string {
  const rows = job.total != null && job.total !== job.done ? `${count(job.done)} of ${count(job.total)} rows` : `${count(job.done)} rows`;
  return job.file ? `${rows}, ${bytes(job.bytes)}` : rows;
}

function One({ job, act }: { job: Job; act: (job: Job, verb: 'cancel' | 'retry') => void }) {
  const [open, setOpen] = useState(false);
  const ends = job.state === 'waiting' || job.state === 'running';
  const again = job.state === 'failed' || job.state === 'cancelled';
  return (
    <>
      <TableRow hover>
        <TableCell>{job.id}</TableCell>
        <TableCell>{KINDS[job.kind] ?? job.kind}</TableCell>
        <TableCell><Tooltip title={job.problem ?? ''}><span><State tone={TONES[job.state]}>{job.cancelling ? 'cancelling' : job.state}</State></span></Tooltip></TableCell>
        <TableCell align="right">{progress(job)}</TableCell>
        <TableCell>{job.actor}</TableCell>
        <TableCell><When at={job.created_at} /></TableCell>
        <TableCell align="right" sx={{ py: '0 !important' }}>
          {job.log !== '' && <Button onClick={() => setOpen(!open)}>{open ? 'Less' : 'Log'}</Button>}
          {job.state === 'done' && job.file && <Button component="a" href={`/api/v1/jobs/${job.id}/file`}>Download</Button>}
          {ends && <Button color="error" disabled={job.cancelling} onClick={() => act(job, 'cancel')}>Cancel</Button>}
          {again && <Button onClick={() => act(job, 'retry')}>Try again</Button>}
        </TableCell>
      </TableRow>
      {open && <TableRow><TableCell colSpan={7}><Box component="pre" sx={{ m: 0, fontFamily: MONO, fontSize: '0.72rem', whiteSpace: 'pre-wrap' }}>{job.log}</Box></TableCell></TableRow>}
    </>
  );
}

function Keep() {
  const may = useMay();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const kept = useQuery({ queryKey: ['retention'], queryFn: () => body(api.GET('/api/v1/retention')) });
  const days = kept.data?.cdr_days;
  return (
    <>
      <Button disabled={!may('admin')} onClick={() => setOpen(true)}>{days == null ? 'CDRs are kept for good' : `CDRs are kept ${count(days)} days`}</Button>
      {open && (
        <FormDialog title="How long CDRs are kept" verb="Save" start={{ cdr_days: days ?? null }} onClose={() => setOpen(false)}
          fields={[{ name: 'cdr_days', label: 'Days', kind: 'number', optional: true, wide: true, help: 'CDRs that started longer ago are removed within the hour, whole days at a time. Empty: never. Balances and sums are not touched.' }]}
          onSend={async (values) => {
            await body(api.PUT('/api/v1/retention', { body: values as Schemas['Retention'] }));
            await queries.invalidateQueries({ queryKey: ['retention'] });
          }} />
      )}
    </>
  );
}

/** The panel. */
export function Jobs() {
  const queries = useQueryClient();
  const [query, set] = useFilters();
  const [error, setError] = useState<unknown>(null);
  const cursor = query.get('cursor') ?? undefined;
  const jobs = useQuery({ queryKey: ['jobs', cursor], queryFn: () => body(api.GET('/api/v1/jobs', { params: { query: { limit: 50, cursor } } })), refetchInterval: 2_000 });
  const rows = jobs.data?.data ?? [];
  const next = jobs.data?.next_cursor;
  const act = (job: Job, verb: 'cancel' | 'retry') => {
    const params = { path: { id: job.id } };
    const asked = verb === 'cancel' ? api.POST('/api/v1/jobs/{id}/cancel', { params }) : api.POST('/api/v1/jobs/{id}/retry', { params });
    body<Job>(asked).then(() => setError(null), setError).finally(() => void queries.invalidateQueries({ queryKey: ['jobs'] }));
  };
  return (
    <>
      <Trouble error={error ?? jobs.error} />
      <Panel flush title="Jobs" note="newest first; any node does them, and another goes on when one dies" tools={<><Keep />{cursor && <Button onClick={() => set({ cursor: '' }, true)}>« newest</Button>}<Button disabled={!next} onClick={() => next && set({ cursor: next }, true)}>older →</Button></>}>
        {jobs.data && rows.length === 0 && <Empty title="No job yet">An export of CDRs is asked for on the CDR page.</Empty>}
        {rows.length > 0 && (
          <Table size="small" sx={{ '& td, & th': { whiteSpace: 'nowrap' } }}>
            <TableHead><TableRow><TableCell>Job</TableCell><TableCell>What</TableCell><TableCell>State</TableCell><TableCell align="right">Done</TableCell><TableCell>Who</TableCell><TableCell>Asked for</TableCell><TableCell component="td" /></TableRow></TableHead>
            <TableBody>{rows.map((job) => <One key={job.id} job={job} act={act} />)}</TableBody>
          </Table>
        )}
      </Panel>
    </>
  );
}
