/** Latency against percentile, both on logarithmic axes. */
import { useEffect, useRef } from 'react';
import { Box, useColorScheme } from '@mui/material';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { nanos } from '../../common/format';
import { joined, ninesLabel, type Point } from './curve';

/** A named curve. */
export interface NamedCurve {
  name: string;
  points: Point[];
}

/** Colours that differ in the dark and in the light, and to the colour-blind. */
export const INKS = ['#3b82c4', '#d98324', '#2f9e77', '#b5519c', '#8a7a1f', '#6b6fd6', '#c2514a', '#5b8f9c'];

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--mui-palette-${name}`).trim();

function options(curves: NamedCurve[], inks: string[], width: number, height: number): uPlot.Options {
  const grid = { stroke: css('divider'), width: 1 };
  const axis = { stroke: css('text-secondary'), grid, ticks: { show: false }, font: '11px "Inter Variable", system-ui, sans-serif' };
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 34, 0, 0],
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, range: (_, __, max) => [0, Math.max(3, Math.ceil(max))] }, y: { distr: 3, log: 10 } },
    axes: [
      { ...axis, size: 28, splits: (_, __, ___, max) => Array.from({ length: Math.floor(max) + 1 }, (_, nine) => nine), values: (_, at) => at.map(ninesLabel) },
      { ...axis, size: 60, values: (_, at) => at.map((ns) => (ns > 0 && Number.isInteger(Math.log10(ns)) ? nanos(ns) : '')) },
    ],
    series: [{}, ...curves.map((curve, index) => ({ label: curve.name, stroke: inks[index] ?? '#888', width: 1.8, spanGaps: true, points: { show: false } }))],
  };
}

/** The chart. */
export function Curve({ curves, inks, height = 340 }: { curves: NamedCurve[]; inks: string[]; height?: number }) {
  const frame = useRef<HTMLDivElement>(null);
  const { mode, systemMode } = useColorScheme();
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const { x, ys } = joined(curves.map((curve) => curve.points.filter((point) => point.ns > 0)));
    const plot = new uPlot(options(curves, inks, element.clientWidth, height), [x, ...ys], element);
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [curves, inks, height, mode, systemMode]);
  return <Box ref={frame} sx={{ minWidth: 0, overflow: 'hidden' }} />;
}
