/** Changing an object: it is read with its ETag first, and the change is refused if somebody else was quicker. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { FormDialog, type Field, type Values } from './Form';
import { Trouble } from './Panel';
import { Dialog, DialogContent } from '@mui/material';
import type { Side } from './policy/schema';

interface Props<T> {
  title: string;
  fields: Field[];
  /** Reads the object. */
  read: () => Promise<{ value: T; etag: string }>;
  /** What stands in the fields at first. */
  start: (value: T) => Values;
  /** Sends the change. */
  send: (values: Values, etag: string) => Promise<unknown>;
  name: string;
  /** It has a signalling policy, of this side. */
  side?: Side;
  onClose: () => void;
}

/** A form over an object as it is this moment. */
export function ChangeDialog<T>({ title, fields, read, start, send, name, side, onClose }: Props<T>) {
  const queries = useQueryClient();
  const read_ = useQuery({ queryKey: ['change', name], queryFn: read, gcTime: 0, staleTime: Infinity, retry: false });
  if (read_.error) {
    return <Dialog open onClose={onClose}><DialogContent><Trouble error={read_.error} retry={() => void read_.refetch()} /></DialogContent></Dialog>;
  }
  if (!read_.data || read_.isFetching) return null;
  const { value, etag } = read_.data;
  return (
    <FormDialog
      title={title}
      fields={fields}
      start={start(value)}
      side={side}
      verb="Save"
      onClose={onClose}
      onSend={async (values) => {
        await send(values, etag);
        await queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'change' });
      }}
    />
  );
}

/** A form for a thing to be made. */
export function NewDialog({ title, fields, start, verb = 'Create', send, side, onClose }: { title: string; fields: Field[]; start: Values; verb?: string; send: (values: Values) => Promise<unknown>; side?: Side; onClose: () => void }) {
  const queries = useQueryClient();
  return (
    <FormDialog
      title={title}
      fields={fields}
      start={start}
      side={side}
      verb={verb}
      onClose={onClose}
      onSend={async (values) => {
        await send(values);
        await queries.invalidateQueries();
      }}
    />
  );
}
