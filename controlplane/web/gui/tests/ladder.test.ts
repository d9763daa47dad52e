import { expect, test } from 'vitest';
import { kind, label, layout, type Message } from '../src/screens/story/ladder';

const invite = 'INVITE sip:44@127.0.0.1 SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0';
const ok = (method: string) => `SIP/2.0 200 OK\r\nCSeq: 1 ${method}\r\n\r\n`;

test('a request is labelled by its method and its SDP', () => {
  expect(label(invite)).toBe('INVITE · SDP');
  expect(label('BYE sip:a SIP/2.0\r\n\r\n')).toBe('BYE');
});

test('a response names its method unless that is INVITE', () => {
  expect(label(ok('INVITE'))).toBe('200 OK');
  expect(label(ok('BYE'))).toBe('200 OK (BYE)');
});

test('colours follow the class of the response', () => {
  expect([invite, 'SIP/2.0 180 Ringing', ok('BYE'), 'SIP/2.0 503 No'].map(kind)).toEqual(['request', 'provisional', 'success', 'failure']);
});

test('columns keep the given order and arrows run downwards in time', () => {
  const messages: Message[] = [
    { at_us: 0, from: 'acme', to: 'Tandem', raw: invite },
    { at_us: 212, from: 'Tandem', to: 'blux', raw: invite },
    { at_us: 2_000_000, from: 'blux', to: 'Tandem', raw: ok('INVITE') },
  ];
  const drawing = layout(messages, ['acme', 'Tandem'], 600);
  expect(drawing.columns.map((column) => column.name)).toEqual(['acme', 'Tandem', 'blux']);
  const [first, second, third] = drawing.arrows;
  expect(first!.x1).toBeLessThan(first!.x2);
  expect(third!.x1).toBeGreaterThan(third!.x2);
  expect(second!.y).toBeGreaterThan(first!.y);
  expect(third!.gap_us).toBe(1_999_788);
  expect(drawing.height).toBeGreaterThan(third!.y);
});

test('a start line of markup stays a string', () => {
  expect(label('<script>alert(1)</script> x')).toBe('<script>alert(1)</script>');
});
