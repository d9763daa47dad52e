/** One search box: guesses from its shape what was typed and says where to look for it. */
export interface Guess {
  /** What it was taken for, in words. */
  as: string;
  /** Where to go. */
  href: string;
}

/** Where `text` leads; the first guess is the likeliest. */
export function guess(text: string): Guess[] {
  const t = text.trim();
  if (t === '') return [];
  const q = encodeURIComponent(t);
  if (/^[0-9a-f]{32}$/i.test(t)) return [{ as: 'one call', href: `/cdrs/${q.toLowerCase()}` }];
  const object = /^(car|acc|itr|etr|dck|pln)_\d+$/.exec(t);
  if (object) return [{ as: 'an object’s id', href: screenOf(object[1] ?? '', q) }];
  // As people copy it: +44 (20) 7123-4567. An address is none.
  const plain = /^\d{1,3}(\.\d{1,3}){3}$/.test(t) ? '' : t.replace(/[\s().-]/g, '');
  if (/^\+?\d{3,}$/.test(plain)) {
    const digits = plain.replace(/^\+/, '');
    return [
      { as: 'CDRs to this number or prefix', href: `/cdrs?called=${digits}` },
      { as: 'CDRs from this number or prefix', href: `/cdrs?calling=${digits}` },
      { as: 'CDRs with these digits anywhere', href: `/cdrs?digits=${digits}` },
      { as: 'simulate a call to it', href: `/routing/simulate?called=${digits}` },
      { as: 'active calls', href: `/calls?q=${digits}` },
    ];
  }
  const header = /^[^\s<>]+@[^\s<>]+$/.test(t) || /^[^\s<>]{16,}$/.test(t);
  return [
    ...(header ? [{ as: 'CDRs with this Call-ID', href: `/cdrs?window=1d&sip_call_id=${q}` }] : []),
    { as: 'carriers and trunks', href: `/carriers?q=${q}` },
    { as: 'active calls', href: `/calls?q=${q}` },
    { as: 'rate decks', href: `/rates?q=${q}` },
  ];
}

function screenOf(kind: string, id: string): string {
  if (kind === 'dck') return `/rates/${id}`;
  if (kind === 'pln') return `/routing/${id}`;
  if (kind === 'car') return `/carriers/${id}`;
  return `/carriers?q=${id}`;
}
