/** What was typed and not sent is not thrown away without a question: not by Escape, the browser's way back, a link, a key or a closed tab. */
import { useCallback, useEffect, useState, type ReactNode } from 'react';
import { Button, Dialog, DialogActions, DialogContent, DialogTitle } from '@mui/material';

type Act = () => void;

/** Those who hold something typed, the innermost last. */
const holders: ((leave: Act) => void)[] = [];

/** Those who keep the page where it is when the browser goes back or on, the innermost last. */
const keepers: ((event: PopStateEvent) => void)[] = [];

/** Once, before the first drawing: a window tells its listeners in the order in which they came, and the router listens from then on. */
export function hearStepsBack(): void {
  window.addEventListener('popstate', (event) => keepers.at(-1)?.(event));
}

/** Leaves at once, or after the question where something was typed. */
export function leaveBy(leave: Act): void {
  const innermost = holders.at(-1);
  if (innermost) innermost(leave);
  else leave();
}

/** The link of this application that a click leads along, in this tab. */
function linkOf(event: MouseEvent): HTMLAnchorElement | null {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return null;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const here = link !== null && link.origin === window.location.origin && link.target !== '_blank' && !link.hasAttribute('download');
  return here && !link.pathname.startsWith('/api/') ? link : null;
}

interface Leave {
  /** Leaves at once, or after the question. */
  ask: (leave: Act) => void;
  /** The question, while it is asked. */
  question: ReactNode;
}

/** Holds what is typed as long as `typed`, or until somebody is sure. */
export function useLeave(typed: boolean): Leave {
  const [leaving, setLeaving] = useState<{ act: Act; sure: boolean } | null>(null);
  const hold = useCallback((act: Act) => setLeaving({ act, sure: false }), []);
  const held = typed && leaving?.sure !== true;
  useEffect(() => {
    if (!held) return undefined;
    const here = window.location.href;
    const keepTab = (event: BeforeUnloadEvent) => event.preventDefault();
    // The step back was taken already: it is undone before anybody else hears of it.
    const keepPage = (event: PopStateEvent) => {
      event.stopImmediatePropagation();
      window.history.pushState(null, '', here);
      hold(() => window.history.back());
    };
    const keepFromLink = (event: MouseEvent) => {
      const link = linkOf(event);
      if (!link) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      hold(() => link.click());
    };
    holders.push(hold);
    window.addEventListener('beforeunload', keepTab);
    keepers.push(keepPage);
    document.addEventListener('click', keepFromLink, true);
    return () => {
      holders.splice(holders.indexOf(hold), 1);
      window.removeEventListener('beforeunload', keepTab);
      keepers.splice(keepers.indexOf(keepPage), 1);
      document.removeEventListener('click', keepFromLink, true);
    };
  }, [held, hold]);
  // Only then: what was held is not held any more.
  useEffect(() => {
    if (leaving?.sure) leaving.act();
  }, [leaving]);
  return {
    ask: (act) => (held ? hold(act) : act()),
    question: leaving && !leaving.sure && <Question onStay={() => setLeaving(null)} onLeave={() => setLeaving({ ...leaving, sure: true })} />,
  };
}

function Question({ onStay, onLeave }: { onStay: Act; onLeave: Act }) {
  return (
    <Dialog open onClose={onStay} maxWidth="xs" fullWidth>
      <DialogTitle variant="h1">Throw away what you typed?</DialogTitle>
      <DialogContent>It was not sent yet.</DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}>
        <Button color="error" onClick={onLeave}>Throw away</Button>
        <Button variant="contained" autoFocus onClick={onStay}>Go on typing</Button>
      </DialogActions>
    </Dialog>
  );
}
