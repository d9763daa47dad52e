/** The form of a plan's or a route's rules, made from the API's description of them. */
import { useMemo, useState } from 'react';
import { Box, Button, Dialog, DialogActions, DialogContent, DialogTitle } from '@mui/material';
import { useLeave } from '../../common/Leave';
import { May } from '../../common/May';
import { Trouble } from '../../common/Panel';
import { ruleSettings } from '../../common/policy/schema';
import { GRID, Input } from '../../common/policy/Settings';
import { refusals, sentence } from '../../common/policy/Signalling';
import { at, cleaned, count, put } from '../../common/policy/values';

interface Props {
  title: string;
  shape: 'PlanRules' | 'RouteRules';
  value: unknown;
  /** What the API refused before. */
  error?: unknown;
  verb: string;
  onClose: () => void;
  /** Gets the rules without what says nothing; a refusal is shown in the form. */
  onSend: (rules: object) => void | Promise<void>;
}

/** How many rules are set, in words. */
export const told = (rules: unknown) => (count(rules) === 0 ? 'none' : `${count(rules)} set`);

/** A dialog over one set of rules. */
export function Rules({ title, shape, value, error, verb, onClose, onSend }: Props) {
  const settings = useMemo(() => ruleSettings(shape), [shape]);
  const [rules, setRules] = useState<unknown>(value);
  const [refused, setRefused] = useState<unknown>(error);
  const wrong = useMemo(() => refusals(refused), [refused]);
  const said = (of: unknown) => JSON.stringify(cleaned(of) ?? {});
  const leave = useLeave(said(rules) !== said(value));
  const send = async () => {
    try {
      await onSend((cleaned(rules) ?? {}) as object);
      onClose();
    } catch (reason) {
      setRefused(reason);
    }
  };
  return (
    <>
    <Dialog open onClose={() => leave.ask(onClose)} maxWidth="md" fullWidth>
      <DialogTitle variant="h1">{title}</DialogTitle>
      <DialogContent data-rules={shape}>
        <Trouble error={refused ?? null} />
        <Box sx={{ ...GRID, pt: 0.75 }}>
          {settings.map((setting) => (
            <Input key={setting.name} setting={setting} path={setting.name} value={at(rules, setting.name)} wrong={(path) => sentence(wrong, path)} onChange={(next) => setRules((old: unknown) => put(old ?? {}, setting.name, next))} />
          ))}
        </Box>
      </DialogContent>
      <DialogActions sx={{ px: 3, pb: 2 }}>
        <Button onClick={onClose}>Cancel</Button>
        <May to="write"><Button variant="contained" onClick={() => void send()}>{verb}</Button></May>
      </DialogActions>
    </Dialog>
    {leave.question}
    </>
  );
}
