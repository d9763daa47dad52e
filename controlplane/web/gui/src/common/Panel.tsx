/** Frames: a page's head, a titled panel, pages with nothing on them, and things that went wrong. */
import { useLayoutEffect, useRef, type ReactNode } from 'react';
import { Alert, Box, Button, Paper, Skeleton, Typography } from '@mui/material';
import type { SxProps, Theme } from '@mui/material/styles';
import { Refused } from '../api/http';

/** A page's title with what can be done on the right. */
export function Head({ title, note, children }: { title: ReactNode; note?: ReactNode; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Tabs, the history and screen readers tell pages apart by it.
  useLayoutEffect(() => {
    document.title = `${heading.current?.textContent ?? ''} · Tandem`;
    return () => {
      document.title = 'Tandem';
    };
  }, [title]);
  return (
    <Box sx={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 1, mb: 1.5, minHeight: 32 }}>
      <Typography variant="h1" component="h1" ref={heading} sx={{ minWidth: 0, overflowWrap: 'anywhere' }}>{title}</Typography>
      {note !== undefined && <Typography variant="body2" component="div" sx={{ color: 'text.secondary', minWidth: 0, overflowWrap: 'anywhere' }}>{note}</Typography>}
      <Box sx={{ flex: 1 }} />
      {children}
    </Box>
  );
}

interface PanelProps {
  title?: ReactNode;
  note?: ReactNode;
  tools?: ReactNode;
  children: ReactNode;
  /** Leaves out the inner margin: for tables. */
  flush?: boolean;
  sx?: SxProps<Theme>;
}

/** A framed part of a page. */
export function Panel({ title, note, tools, children, flush = false, sx }: PanelProps) {
  return (
    <Paper variant="outlined" component="section" sx={[{ minWidth: 0, display: 'flex', flexDirection: 'column' }, ...(Array.isArray(sx) ? sx : [sx])]}>
      {title !== undefined && (
        <Box sx={{ display: 'flex', alignItems: 'center', gap: 1, px: 1.5, minHeight: 36, borderBottom: 1, borderColor: 'divider' }}>
          <Typography variant="h2" component="h2">{title}</Typography>
          {note !== undefined && <Typography variant="caption" component="div" sx={{ color: 'text.secondary' }}>{note}</Typography>}
          <Box sx={{ flex: 1 }} />
          {tools}
        </Box>
      )}
      <Box sx={flush ? { minWidth: 0, overflowX: 'auto' } : { p: 1.5, minWidth: 0 }}>{children}</Box>
    </Paper>
  );
}

/** A page or table without rows says why, and what to do. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Box sx={{ py: 4, px: 2, textAlign: 'center', maxWidth: 560, mx: 'auto' }}>
      <Typography variant="h2" component="p" sx={{ mb: 0.5 }}>{title}</Typography>
      <Typography variant="body2" component="div" sx={{ color: 'text.secondary' }}>{children}</Typography>
    </Box>
  );
}

/** What the API said when it refused, field by field. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  if (error === null || error === undefined) return null;
  const refused = error instanceof Refused ? error : undefined;
  // The sentence of a single flaw stands beside its place, once.
  const told = refused?.fields.length === 1 && refused.fields[0]?.detail === refused.detail;
  return (
    <Alert
      severity="error"
      variant="outlined"
      sx={{ mb: 1.5, alignItems: 'center', '& .MuiAlert-message': { minWidth: 0, overflowWrap: 'anywhere' } }}
      action={retry && <Button color="inherit" onClick={retry}>Try again</Button>}
    >
      <b>{refused ? refused.title : 'No answer from the control plane'}</b>
      {!told && <div>{refused ? refused.detail : String(error instanceof Error ? error.message : error)}</div>}
      {refused?.fields.map((field) => (
        <div key={field.pointer + field.detail}><code>{field.pointer}</code> {field.detail}</div>
      ))}
      {refused?.requestId && <Typography variant="caption" component="div">request {refused.requestId}</Typography>}
    </Alert>
  );
}

/** Grey bars in the shape of what is coming. */
export function Waiting({ rows = 6 }: { rows?: number }) {
  return (
    <Box aria-busy="true" sx={{ p: 1.5 }}>
      {Array.from({ length: rows }, (_, row) => <Skeleton key={row} height={22} width={`${92 - ((row * 13) % 30)}%`} />)}
    </Box>
  );
}
