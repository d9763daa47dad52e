/** The ladder of a call: who sent what to whom and when. A click shows the message as captured. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { Box } from '@mui/material';
import { micros } from '../../common/format';
import { MONO } from '../../theme';
import { clock, layout, type Arrow, type Kind, type Message } from './ladder';

const COLOR: Record<Kind, string> = {
  request: 'var(--mui-palette-primary-main)',
  provisional: 'var(--mui-palette-text-secondary)',
  success: 'var(--mui-palette-success-main)',
  failure: 'var(--mui-palette-error-main)',
};

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return [ref, width];
}

function OneArrow({ arrow, width, chosen, onChoose }: { arrow: Arrow; width: number; chosen: boolean; onChoose: () => void }) {
  const right = arrow.x2 >= arrow.x1;
  const tip = arrow.x2 + (right ? -1 : 1);
  const back = right ? -7 : 7;
  const color = COLOR[arrow.kind];
  const y = arrow.y;
  return (
    <g
      role="button"
      tabIndex={0}
      aria-label={`${arrow.label}, ${micros(arrow.at_us)}`}
      aria-pressed={chosen}
      data-arrow={arrow.label}
      style={{ cursor: 'pointer', outlineOffset: -2 }}
      onClick={onChoose}
      onKeyDown={(event) => (event.key === 'Enter' || event.key === ' ') && onChoose()}
    >
      {arrow.gap_us > 0 && (
        <text x={(arrow.x1 + arrow.x2) / 2} y={y - 28} textAnchor="middle" fontSize="10.5" fill="var(--mui-palette-text-secondary)">{micros(arrow.gap_us)} later</text>
      )}
      <rect x={0} y={y - 18} width={width} height={25} fill={chosen ? 'var(--mui-palette-action-selected)' : 'transparent'} />
      <text x={76} y={y + 3} textAnchor="end" fontSize="10.5" fontFamily={MONO} fill="var(--mui-palette-text-secondary)">{clock(arrow.at_us)}</text>
      <line x1={arrow.x1} y1={y} x2={tip} y2={y} stroke={color} strokeWidth={chosen ? 2 : 1.3} strokeDasharray={arrow.kind === 'provisional' ? '5 3' : undefined} />
      <path d={`M${tip + back} ${y - 3.6} L${tip} ${y} L${tip + back} ${y + 3.6}`} fill="none" stroke={color} strokeWidth="1.5" />
      <text x={(arrow.x1 + arrow.x2) / 2} y={y - 5} textAnchor="middle" fontSize="11" fontWeight="560" fill={color}>{arrow.label}</text>
    </g>
  );
}

/** The drawing and, under it, the chosen message. Everything that came over SIP is a text node. */
export function Ladder({ messages, names }: { messages: Message[]; names: string[] }) {
  const [frame, width] = useWidth();
  const [chosen, setChosen] = useState<number | null>(null);
  const drawing = useMemo(() => layout(messages, names, width), [messages, names, width]);
  const message = chosen === null ? undefined : messages[chosen];
  return (
    <Box>
      <Box ref={frame} sx={{ overflowX: 'auto', px: 0.5 }}>
        <svg width={drawing.width} height={drawing.height} style={{ display: 'block', fontFamily: 'inherit' }} role="group" aria-label="Ladder of SIP messages">
          {drawing.columns.map(({ name, x }) => (
            <g key={name}>
              <text x={x} y={20} textAnchor="middle" fontSize="11.5" fontWeight="620" fill="var(--mui-palette-text-primary)">{name}</text>
              <line x1={x} y1={28} x2={x} y2={drawing.height - 4} stroke="var(--mui-palette-divider)" strokeWidth="1.5" />
            </g>
          ))}
          {drawing.arrows.map((arrow) => (
            <OneArrow key={arrow.message} arrow={arrow} width={drawing.width} chosen={chosen === arrow.message} onChoose={() => setChosen(chosen === arrow.message ? null : arrow.message)} />
          ))}
        </svg>
      </Box>
      {message && (
        <Box component="pre" data-raw sx={{ m: 0, p: 1.5, borderTop: 1, borderColor: 'divider', fontFamily: MONO, fontSize: '0.72rem', lineHeight: 1.5, overflow: 'auto', maxHeight: 360, whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', bgcolor: 'background.default' }}>
          {message.raw}
        </Box>
      )}
    </Box>
  );
}
