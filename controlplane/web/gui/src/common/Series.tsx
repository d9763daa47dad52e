/** Lines over time, drawn by uPlot in the theme's colours. */
import { useEffect, useRef } from 'react';
import { Box, useColorScheme } from '@mui/material';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { when, type Zone } from './format';

/** One line of a chart. */
export interface Line {
  label: string;
  /** Name of a theme colour. */
  color: 'primary' | 'success' | 'warning' | 'error';
  fill?: boolean;
  /** Writes a value in the legend. */
  write: (value: number) => string;
}

interface Props {
  /** Seconds since 1970, then one array of values per line. */
  data: uPlot.AlignedData;
  lines: Line[];
  height: number;
  zone: Zone;
  /** Writes a value beside the axis. */
  axis: (value: number) => string;
  /** Smallest top of the value axis, so that a quiet switch shows a flat line and no noise. */
  topMin: number;
}

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--mui-palette-${name}`).trim();

function options({ lines, height, zone, axis, topMin }: Props, width: number): uPlot.Options {
  const grid = { stroke: css('divider'), width: 1 };
  const quiet = css('text-secondary');
  const font = '11px "Inter Variable", system-ui, sans-serif';
  const series = lines.map((line) => ({
    label: line.label,
    stroke: css(`${line.color}-main`),
    fill: line.fill ? `color-mix(in srgb, ${css(`${line.color}-main`)} 14%, transparent)` : undefined,
    width: 1.5,
    points: { show: false },
    // Without the pointer over it, the legend tells the newest value.
    value: (plot: uPlot, value: number | null, index: number) => {
      const told = value ?? (plot.data[index]?.at(-1) as number | null | undefined);
      return told === null || told === undefined ? '–' : line.write(told);
    },
  }));
  return {
    width,
    height,
    tzDate: (ts) => (zone === 'utc' ? uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC') : new Date(ts * 1000)),
    cursor: { y: false, points: { size: 6 } },
    padding: [8, 22, 0, 0],
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(topMin, (max || 0) * 1.1)] } },
    axes: [
      { stroke: quiet, grid: { show: false }, ticks: { ...grid, size: 4 }, font, size: 26, values: '{HH}:{mm}:{ss}', space: 70 },
      { stroke: quiet, grid, ticks: { show: false }, font, size: 46, values: (_, splits) => splits.map(axis), space: 30 },
    ],
    series: [{ label: '', value: (_, at: number | null) => (at === null ? '' : when(new Date(at * 1000).toISOString(), zone, 'clock').slice(0, 8)) }, ...series],
  };
}

/** A live chart that fills its frame. */
export function Series(props: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const { mode, systemMode } = useColorScheme();
  const look = `${mode}/${systemMode}/${props.zone}/${props.height}/${props.lines.map((line) => line.label).join()}`;

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const plot = new uPlot(options(latest.current, element.clientWidth), latest.current.data, element);
    chart.current = plot;
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: latest.current.height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [look]);

  useEffect(() => chart.current?.setData(props.data), [props.data]);

  return (
    <Box
      ref={frame}
      sx={{
        minWidth: 0,
        overflow: 'hidden',
        '& .uplot': { fontFamily: 'inherit' },
        '& .u-legend': { display: 'flex', gap: 2, fontSize: '0.715rem', color: 'text.secondary', pl: 5.5, whiteSpace: 'nowrap', overflow: 'hidden' },
        '& .u-legend tbody': { display: 'contents' },
        '& .u-legend .u-series:first-of-type': { order: 9, opacity: 0.75 },
        // Its own column has no name: the time under the pointer speaks for itself.
        '& .u-legend .u-series:first-of-type th': { display: 'none' },
        '& .u-legend th': { fontWeight: 500, p: 0 },
        '& .u-legend th::after': { display: 'none' },
        '& .u-legend .u-value': { fontVariantNumeric: 'tabular-nums', color: 'text.primary', fontWeight: 600, p: 0, pl: 0.75 },
        '& .u-legend .u-marker': { width: 10, height: 3, verticalAlign: 'middle' },
      }}
    />
  );
}
