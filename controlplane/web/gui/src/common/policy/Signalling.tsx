/** The form of a signalling policy: sections made from the API's description of it. */
import { useMemo, useState } from 'react';
import { Accordion, AccordionDetails, AccordionSummary, Box, Chip, Typography } from '@mui/material';
import ExpandMore from '@mui/icons-material/ExpandMoreOutlined';
import { Refused } from '../../api/http';
import { sections, type Setting, type Side } from './schema';
import { GRID, Input } from './Settings';
import { TryOut } from './TryOut';
import { at, count, put } from './values';

interface Props {
  side: Side;
  value: unknown;
  onChange: (value: unknown) => void;
  /** What the API refused. */
  error: unknown;
}

/** Refusals by path: `/policy/rewrite/0/pattern` → `rewrite.0.pattern`. */
export function refusals(error: unknown): Map<string, string> {
  if (!(error instanceof Refused)) return new Map();
  return new Map(error.fields.map(({ pointer, detail }) => [pointer.replace(/^\/(routes\/\d+\/)?((policy|rules)\/)?/, '').replaceAll('/', '.'), detail]));
}

/** A list that is written as one text shows the refusals of its entries, with their place. */
export function sentence(wrong: Map<string, string>, path: string): string | undefined {
  const own = wrong.get(path);
  if (own !== undefined) return own;
  const inner = [...wrong].find(([at_]) => at_.startsWith(`${path}.`));
  if (!inner) return undefined;
  const [, place] = /^\.(\d+)/.exec(inner[0].slice(path.length)) ?? [];
  return place === undefined ? inner[1] : `Entry ${Number(place) + 1}: ${inner[1]}`;
}

const names = (settings: Setting[]) => settings.map((setting) => setting.name);

/** All sections; those that say something are open. */
export default function Signalling({ side, value, onChange, error }: Props) {
  const known = useMemo(() => sections(side), [side]);
  const [tried, setTried] = useState<unknown>(null);
  const [moved, setMoved] = useState<Record<string, boolean>>({});
  const wrong = useMemo(() => new Map([...refusals(tried), ...refusals(error)]), [tried, error]);
  const told = (path: string) => sentence(wrong, path);
  return (
    <Box data-signalling>
      {known.map(({ title, settings }) => {
        const set = settings.reduce((sum, setting) => sum + count(at(value, setting.name)), 0);
        const bad = names(settings).some((name) => told(name) !== undefined);
        const open = bad || (moved[title] ?? false);
        return (
          <Accordion key={title} disableGutters square variant="outlined" expanded={open} onChange={(_, next) => setMoved((old) => ({ ...old, [title]: next }))} slotProps={{ transition: { unmountOnExit: true } }} sx={{ '&:not(:first-of-type)': { borderTop: 0 }, '&::before': { display: 'none' } }}>
            <AccordionSummary expandIcon={<ExpandMore />} sx={{ minHeight: 40, '& .MuiAccordionSummary-content': { my: 0.75, alignItems: 'center', gap: 1 } }}>
              <Typography variant="body2" sx={{ fontWeight: 560 }}>{title}</Typography>
              {set > 0 && <Chip size="small" variant="outlined" color="primary" label={`${set} set`} sx={{ height: 19, fontSize: '0.7rem' }} />}
              {bad && <Chip size="small" variant="outlined" color="error" label="look here" sx={{ height: 19, fontSize: '0.7rem' }} />}
            </AccordionSummary>
            <AccordionDetails sx={{ px: { xs: 1.25, sm: 2 } }}>
              <Box sx={GRID}>
                {settings.map((setting) => <Input key={setting.name} setting={setting} path={setting.name} bare={settings.length === 1} value={at(value, setting.name)} wrong={told} onChange={(next) => onChange(put(value, setting.name, next))} />)}
                {settings.filter((setting) => setting.name === 'rewrite').map((setting) => <TryOut key="try" setting={setting} value={at(value, 'rewrite')} onWrong={setTried} />)}
              </Box>
            </AccordionDetails>
          </Accordion>
        );
      })}
    </Box>
  );
}
