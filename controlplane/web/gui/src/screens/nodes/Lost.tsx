/** Giving a node up that is lost for good, and admitting it again. */
import { useRef, useState } from 'react';
import { Alert } from '@mui/material';
import { useQueryClient } from '@tanstack/react-query';
import { api, body, Refused, type Schemas } from '../../api/http';
import { decimal } from '../../common/format';
import { Confirm, FormDialog, type Field } from '../../common/Form';

type WrittenOff = Schemas['WrittenOff'];
type Code = (account: string) => string;

/** What must be typed before a node is given up. */
export const sentenceOf = (node: number) => `node ${node} is off`;

const FIELDS: Field[] = [
  { name: 'node', label: 'Node', kind: 'number', help: 'Its number. What it holds goes back to its accounts; it is lent nothing more, whatever start, until it is admitted again' },
  { name: 'typed', label: 'Type “node N is off”', kind: 'text', help: 'With its number. One that lives on spends the money a second time: it must be without power or network' },
  { name: 'note', label: 'Note', kind: 'text', wide: true, help: 'Why: it stands at the entries of the accounts' },
];

/** What came back, as a sentence. */
export function returnedText(done: WrittenOff, code: Code): string {
  if (done.returned.length === 0) return 'It held nothing: no account gets money back.';
  return `Back to their accounts: ${done.returned.map(({ account, amount }) => `${code(account)} ${decimal(amount)}`).join(', ')}.`;
}

/** Asks which node, has it typed, writes it off and says what came back. */
export function WriteOff({ node, code, onClose }: { node: number | null; code: Code; onClose: () => void }) {
  const queries = useQueryClient();
  const [done, setDone] = useState<{ node: number; what: WrittenOff } | null>(null);
  // The form closes itself when it has sent; what came back stays.
  const sent = useRef(false);
  const send = async (values: Record<string, unknown>) => {
    const id = Number(values['node']);
    if (values['typed'] !== sentenceOf(id)) {
      const message = `Type “${sentenceOf(id)}” when it is.`;
      throw new Refused(422, { title: 'Nothing was written off', errors: [{ pointer: '/typed', message }] });
    }
    const what = await body(api.POST('/api/v1/nodes/{id}/write-off', { params: { path: { id } }, body: { fenced: true, note: String(values['note']) } }));
    sent.current = true;
    setDone({ node: id, what });
    await queries.invalidateQueries({ queryKey: ['nodes'] });
  };
  if (done) {
    return (
      <Alert severity="success" variant="outlined" onClose={onClose} sx={{ mb: 1.5 }} data-written-off={done.node}>
        Node {done.node} is written off, its starts up to {done.what.boot}. {returnedText(done.what, code)}
      </Alert>
    );
  }
  return <FormDialog title="Write a lost node off" verb="Write off" fields={FIELDS} start={{ node }} onClose={() => sent.current || onClose()} onSend={send} />;
}

/** Admits a node again that was written off. */
export function Admit({ node, onClose }: { node: number; onClose: () => void }) {
  const queries = useQueryClient();
  const send = async () => {
    await body(api.POST('/api/v1/nodes/{id}/admit', { params: { path: { id: node } }, body: { note: 'by the page of nodes' } }));
    await queries.invalidateQueries({ queryKey: ['nodes'] });
  };
  return (
    <Confirm title={`Admit node ${node} again?`} verb="Admit" onClose={onClose} onSend={send}>
      It is lent money from the next start of its data plane on: start it anew afterwards. What its starts so far were lent stays void.
    </Confirm>
  );
}
