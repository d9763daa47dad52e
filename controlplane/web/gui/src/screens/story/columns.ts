/** From captured messages to the ladder's columns: an address becomes the name of the trunk behind it. Pure. */
import type { Schemas } from '../../api/http';
import type { Message } from './ladder';

type Captured = Schemas['Ladder']['messages'][number];
type Cdr = Schemas['Cdr'];

/** The switch's own column. */
export const SWITCH = 'Tandem';

/** The messages with named columns, and the columns' order: originator, switch, terminators in the order of trying. */
export function columnsOf(captured: Captured[], call: Cdr, attempts: Cdr[]): { messages: Message[]; names: string[] } {
  const ingress = call.originator?.code || call.ingress_address || 'originator';
  const egress = new Map<string, string>();
  for (const attempt of attempts) {
    const name = attempt.terminator?.code || attempt.egress_address || 'terminator';
    if (attempt.egress_address) egress.set(attempt.egress_address, name);
  }
  const only = attempts.length === 1 ? attempts[0]?.terminator?.code : undefined;
  const peer = (message: Captured) => {
    const address = message.direction === 'in' ? message.from : message.to;
    if (message.leg === 'ingress') return ingress;
    return egress.get(address) ?? only ?? address;
  };
  const messages = captured.map((message) => {
    const other = peer(message);
    const inward = message.direction === 'in';
    return { at_us: message.offset_us, from: inward ? other : SWITCH, to: inward ? SWITCH : other, raw: message.raw };
  });
  return { messages, names: [ingress, SWITCH, ...new Set(egress.values())].filter((name, index, all) => all.indexOf(name) === index) };
}
