/** Trunk groups: egress trunks that stand in plans as one route. */
import { useState } from 'react';
import { Box, Button, Dialog, DialogActions, DialogContent, DialogTitle, IconButton, Table, TableBody, TableCell, TableHead, TableRow, TextField, Tooltip, Typography } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import Delete from '@mui/icons-material/DeleteOutlineOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { api, body, tagged, type Schemas } from '../../api/http';
import { useEgressTrunks, useTrunkGroups, type TrunkGroup } from '../../api/objects';
import { Confirm } from '../../common/Form';
import { useLeave } from '../../common/Leave';
import { Empty, Panel, Trouble } from '../../common/Panel';
import { Figure } from './Figure';
import { May } from '../../common/May';

type Member = Schemas['GroupMember'];

const HELP = 'Members of the deciding node\u2019s site come first, then those of higher priority; among equal priorities each call draws by weight (0 comes last). In a plan the group stands at the price of its cheapest member that may be tried.';

function Members({ members, onChange }: { members: Member[]; onChange: (members: Member[]) => void }) {
  const trunks = useEgressTrunks();
  const others = (trunks.data ?? []).filter((trunk) => !members.some((member) => member.egress_trunk.id === trunk.id));
  const edit = (index: number, change: Partial<Member>) => onChange(members.map((member, at) => (at === index ? { ...member, ...change } : member)));
  const nodesOf = (text: string) => text.split(/[\s,]+/).map(Number).filter((node) => Number.isInteger(node) && node > 0);
  return (
    <>
      <Table size="small">
        <TableHead><TableRow><TableCell>Egress trunk</TableCell><TableCell align="right">Priority</TableCell><TableCell align="right">Weight</TableCell><TableCell>Nodes of its site</TableCell><TableCell component="td" /></TableRow></TableHead>
        <TableBody>
          {members.map((member, index) => (
            <TableRow key={member.egress_trunk.id} data-member={member.egress_trunk.code}>
              <TableCell>{member.egress_trunk.code}</TableCell>
              <TableCell align="right"><Figure label="Priority" value={member.priority} onChange={(priority) => edit(index, { priority })} /></TableCell>
              <TableCell align="right"><Figure label="Weight" value={member.weight} onChange={(weight) => edit(index, { weight })} /></TableCell>
              <TableCell><TextField variant="standard" placeholder="any" defaultValue={member.nodes.join(', ')} onChange={(event) => edit(index, { nodes: nodesOf(event.target.value) })} slotProps={{ htmlInput: { 'aria-label': 'Nodes of its site' } }} /></TableCell>
              <TableCell align="right"><Tooltip title="Take this trunk out"><IconButton aria-label="Take this trunk out" onClick={() => onChange(members.filter((_, at) => at !== index))}><Delete sx={{ fontSize: 17 }} /></IconButton></Tooltip></TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
      {others.length > 0 && (
        <TextField select label="Add a trunk" value="" sx={{ width: 220, mt: 1.5 }} slotProps={{ select: { native: true }, inputLabel: { shrink: true } }}
          onChange={(event) => {
            const trunk = others.find((row) => row.id === event.target.value);
            if (trunk) onChange([...members, { egress_trunk: { id: trunk.id, code: trunk.code }, priority: 0, weight: 1, nodes: [] }]);
          }}>
          <option value="">choose</option>
          {others.map((trunk) => <option key={trunk.id} value={trunk.id}>{trunk.code} · {trunk.carrier.code}</option>)}
        </TextField>
      )}
    </>
  );
}

/** Makes a group, or changes the one that is given with its ETag. */
function Edit({ group, etag, onClose }: { group?: TrunkGroup; etag?: string; onClose: () => void }) {
  const queries = useQueryClient();
  const [code, setCode] = useState(group?.code ?? '');
  const [members, setMembers] = useState<Member[]>(group?.members ?? []);
  const [error, setError] = useState<unknown>(null);
  const [deleting, setDeleting] = useState(false);
  const leave = useLeave(code !== (group?.code ?? '') || JSON.stringify(members) !== JSON.stringify(group?.members ?? []));
  const attempt = async (send: () => Promise<unknown>) => {
    try {
      await send();
      await queries.invalidateQueries();
      onClose();
    } catch (reason) {
      setError(reason);
    }
  };
  const params = { path: { id: group?.id ?? '' }, header: { 'if-match': etag ?? '' } };
  const wanted = { code, members: members.map((member) => ({ ...member, egress_trunk: member.egress_trunk.id })) };
  const save = () => (group ? body(api.PATCH('/api/v1/trunk-groups/{id}', { params, body: wanted })) : body(api.POST('/api/v1/trunk-groups', { body: wanted })));
  return (
    <>
    <Dialog open onClose={() => leave.ask(onClose)} maxWidth="md" fullWidth>
      <DialogTitle variant="h1">{group ? `Edit ${group.code}` : 'New trunk group'}</DialogTitle>
      <DialogContent>
        <Trouble error={error} />
        <TextField label="Code" name="code" value={code} required autoFocus helperText="Short and unique" onChange={(event) => setCode(event.target.value)} sx={{ my: 1 }} />
        <Members members={members} onChange={setMembers} />
        <Typography variant="caption" component="p" sx={{ color: 'text.secondary', mt: 1.5 }}>{HELP}</Typography>
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}>
        {group && <Button color="error" sx={{ mr: 'auto' }} onClick={() => setDeleting(true)}>Delete</Button>}
        <Button onClick={onClose}>Cancel</Button>
        <Button variant="contained" onClick={() => void attempt(save)}>{group ? 'Save' : 'Create'}</Button>
      </DialogActions>
    </Dialog>
    {leave.question}
    {deleting && (
      <Confirm title={`Delete ${code}?`} verb="Delete" onClose={() => setDeleting(false)} onSend={() => attempt(() => body(api.DELETE('/api/v1/trunk-groups/{id}', { params })))}>
        A group that a routing plan uses cannot be deleted.
      </Confirm>
    )}
    </>
  );
}

/** The panel: all groups, and the form of the one that is opened. */
export function Groups() {
  const groups = useTrunkGroups();
  const [open, setOpen] = useState<{ group?: TrunkGroup; etag?: string } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const read = async (id: string) => {
    try {
      const { value, etag } = await tagged(api.GET('/api/v1/trunk-groups/{id}', { params: { path: { id } } }));
      setOpen({ group: value, etag });
    } catch (reason) {
      setError(reason);
    }
  };
  return (
    <Panel title="Trunk groups" flush sx={{ mt: 1.5 }} tools={<May to="write"><Button startIcon={<Add />} onClick={() => setOpen({})}>New group</Button></May>}>
      <Trouble error={groups.error ?? error} retry={() => void groups.refetch()} />
      {groups.data && groups.data.length > 0 && (
        <Table size="small">
          <TableHead><TableRow><TableCell>Group</TableCell><TableCell>Egress trunks</TableCell><TableCell component="td" /></TableRow></TableHead>
          <TableBody>
            {groups.data.map((group) => (
              <TableRow key={group.id} hover data-group={group.code}>
                <TableCell>{group.code}</TableCell>
                <TableCell>{group.members.map((member) => member.egress_trunk.code).join(', ')}</TableCell>
                <TableCell align="right"><May to="write"><Button onClick={() => void read(group.id)}>Edit</Button></May></TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      )}
      {groups.data?.length === 0 && <Empty title="No trunk group yet">A group joins several egress trunks, so that plans can name them as one route. <Box component="span">{HELP}</Box></Empty>}
      {open && <Edit {...open} onClose={() => setOpen(null)} />}
    </Panel>
  );
}
