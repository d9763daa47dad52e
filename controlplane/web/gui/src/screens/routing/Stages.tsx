/** A call's numbers after each stage of rules. */
import { Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material';
import type { Schemas } from '../../api/http';
import { State } from '../../common/Fact';
import { NONE } from '../../common/format';

type Stage = Schemas['NumberStage'];

const NAMES = { arrival: 'As they came', originator: 'After the originator’s rules', plan: 'After the plan’s rules' } as const;

/** One row a stage; a stage that refuses is the last. */
export function Stages({ stages }: { stages: Stage[] }) {
  return (
    <Table size="small" sx={{ '& td, & th': { px: 1 }, '& tr:last-child td': { borderBottom: 0 } }}>
      <TableHead><TableRow><TableCell>Stage</TableCell><TableCell>From</TableCell><TableCell>To</TableCell></TableRow></TableHead>
      <TableBody>
        {stages.map((stage, index) => {
          const before = stages[index - 1];
          const weight = (changed: boolean) => ({ fontWeight: changed ? 640 : 400, whiteSpace: 'nowrap' }) as const;
          return (
            <TableRow key={stage.stage} data-stage={stage.stage}>
              <TableCell>{NAMES[stage.stage]} {stage.cause ? <State tone="error">{`refused · ${stage.cause} ${stage.reason ?? ''}`}</State> : null}</TableCell>
              <TableCell sx={weight(before !== undefined && before.calling !== stage.calling)}>{stage.calling || NONE}</TableCell>
              <TableCell sx={weight(before !== undefined && before.called !== stage.called)}>{stage.called || NONE}</TableCell>
            </TableRow>
          );
        })}
      </TableBody>
    </Table>
  );
}
