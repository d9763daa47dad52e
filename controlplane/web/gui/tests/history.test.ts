import { expect, test } from 'vitest';
import { History } from '../src/api/history';

test('only the last seconds are kept', () => {
  const history = new History<number>(3);
  for (let at = 1; at <= 6; at += 1) history.push(at, at * 10);
  expect(history.columns(10, [(value) => value])).toEqual([[4, 5, 6], [40, 50, 60]]);
  expect(history.columns(2, [(value) => value])[0]).toEqual([5, 6]);
});

test('a doubled second is heard once', () => {
  const history = new History<number>(10);
  history.push(1, 1);
  history.push(1, 2);
  expect(history.columns(10, [(value) => value])).toEqual([[1], [1]]);
});

test('a clock that was set back starts a new history', () => {
  const history = new History<number>(100);
  history.push(1000, 1);
  history.push(10, 2);
  expect(history.columns(100, [(value) => value])).toEqual([[10], [2]]);
});
