import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { policyText } from '../dev/policy';
import { GROUPS, label, NAMES, sections, told, unsaid, type Setting, type Side } from '../src/common/policy/schema';
import { at, cleaned, count, linesOf, numberOf, put, textOf, wordsOf } from '../src/common/policy/values';

const SIDES: Side[] = ['ingress', 'egress', 'plan', 'carrier'];
const every = (settings: Setting[]): Setting[] => settings.flatMap((setting) => [setting, ...every(setting.inner)]);
const all = (side: Side) => every(sections(side).flatMap((section) => section.settings));

test('the shapes of the forms are those of the API: npm run api', () => {
  expect(readFileSync(new URL('../src/api/policy.json', import.meta.url), 'utf8')).toBe(policyText());
});

test('every field of a policy stands in one section', () => {
  const placed = GROUPS.flatMap((group) => group.fields);
  expect([...placed].sort()).toEqual([...NAMES].sort());
  expect(new Set(placed).size).toBe(placed.length);
});

test('each side sees the fields that mean something there', () => {
  const paths = (side: Side) => all(side).map((setting) => setting.path);
  expect(paths('plan').filter((path) => !path.includes('.') && NAMES.includes(path))).toEqual(['capture', 'recording', 'numbers', 'rewrite', 'answers', 'quality']);
  expect(paths('plan').filter((path) => path.startsWith('answers.'))).toEqual(['answers.next', 'answers.stop']);
  expect(paths('ingress')).toEqual(expect.arrayContaining(['transport', 'early_media', 'identity.calling_from_identity', 'digest.password', 'answers.always_503']));
  for (const egress of ['host', 'probe', 'headers', 'identity.send', 'answers.stop', 'registration']) expect(paths('ingress')).not.toContain(egress);
  expect(sections('carrier').map(({ title }) => title)).toEqual(['Captures', 'Recordings', 'Prices']);
  expect(paths('carrier')).toEqual(expect.arrayContaining(['recording.percent', 'prices.sell_per_minute_max']));
  expect(paths('ingress')).toContain('prices.buy_per_minute_max');
  expect(paths('egress')).not.toContain('prices');
  expect(paths('egress')).not.toContain('own_terminators');
  expect(paths('egress')).not.toContain('digest.ha1_md5');
  expect(all('egress').filter(({ path }) => path.startsWith('stir.signer.')).map(({ path, kind }) => [path, kind])).toEqual([['stir.signer.certificate', 'text'], ['stir.signer.private_key', 'password']]);
  expect(paths('ingress')).toEqual(expect.arrayContaining(['stir.verify', 'stir.attest', 'stir.numbers', 'stir.origid']));
});

test('every field has a help, every choice its meaning, and every number says what 0 stands for', () => {
  for (const setting of SIDES.flatMap(all)) {
    expect(setting.help, setting.path).toMatch(/^[^a-z]/);
    for (const choice of setting.choices) expect(choice.help, `${setting.path} ${choice.value}`).not.toBe('');
    if (setting.kind === 'number' && setting.path.includes('_')) expect(setting.placeholder, setting.path).not.toBe('');
  }
});

test('a description is read for one side', () => {
  const both = 'Egress: what requests go out over. Ingress: calls over another\ntransport are refused.';
  expect(told(both, 'ingress')).toBe('Calls over another transport are refused.');
  expect(told(both, 'egress')).toBe('What requests go out over.');
  expect(told(both, 'plan')).toBeUndefined();
  expect(told('Egress and plan: they end the hunt.', 'plan')).toBe('They end the hunt.');
  expect(told('Egress and plan: they end the hunt.', 'ingress')).toBeUndefined();
  expect(told('All: numbers.', 'plan')).toBe('Numbers.');
  expect(told('It is trusted. Ingress: believed.', 'egress')).toBeUndefined();
  expect(told('It is trusted. Ingress: believed. Egress: told.', 'egress')).toBe('It is trusted. Told.');
  expect(unsaid('Seconds, 90 to 86,400; 0 for 1,800.')).toBe('1,800');
  expect(unsaid('Seconds; 0 for no such limit (but others hold).')).toBe('no such limit');
  expect(unsaid('Names; empty lets all pass.')).toBe('lets all pass');
  expect(['answer_timeout_s', 'cps_window_s', 'redirects_max', 'nat'].map(label)).toEqual(['Answer timeout, seconds', 'CPS window, seconds', 'Redirects at most', 'NAT']);
});

test('lists of numbers are written as lines and come back', () => {
  const text = '44\n=441632960000\n~^44[0-9]{9}$';
  expect(linesOf(` ${text}\n\n`)).toEqual([{ kind: 'prefix', value: '44' }, { kind: 'exact', value: '441632960000' }, { kind: 'regex', value: '^44[0-9]{9}$' }]);
  expect(textOf(linesOf(text))).toBe(text);
  expect(textOf([{ value: '1' }, {}])).toBe('1\n');
  expect(wordsOf('PCMA, G729,\n', false)).toEqual(['PCMA', 'G729']);
  expect(wordsOf('486, 6oo', true)).toEqual([486, '6oo']);
  expect([numberOf('60'), numberOf(' 6o '), numberOf('-1')]).toEqual([60, '6o', -1]);
});

test('what says nothing is not sent, and rows keep their places', () => {
  const policy = { host: '', codecs: { allow: [], single: true }, identity: {}, rewrite: [{}, { pattern: 'a' }], digest: undefined };
  expect(cleaned(policy)).toEqual({ codecs: { single: true }, identity: {}, rewrite: [{}, { pattern: 'a' }] });
  expect(cleaned({ digest: { user: '' } })).toEqual({ digest: {} });
  expect(count({ numbers: { called_deny: [] }, digest: {} })).toBe(0);
  expect(count(policy)).toBe(2);
  const set = put({ codecs: { single: true } }, 'codecs.reorder', true);
  expect(set).toEqual({ codecs: { single: true, reorder: true } });
  expect(at(put(set, 'codecs.single', undefined), 'codecs')).toEqual({ reorder: true });
  expect(at({}, 'a.b')).toBeUndefined();
});
