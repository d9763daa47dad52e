import { describe, expect, it } from 'vitest';
import { classOf, deckBody, toLines } from '../src/screens/rates/calendar';

describe('a calendar in a form', () => {
  it('comes back as it went', () => {
    const calendar = { peak: [{ days: ['mon' as const, 'tue' as const, 'wed' as const, 'thu' as const, 'fri' as const], from: '08:00', till: '20:00' }, { days: ['sat' as const, 'mon' as const], from: '09:00', till: '24:00' }], free_weekdays: ['sun' as const], free_days: ['2026-12-25'] };
    const lines = toLines(calendar);
    expect(lines).toEqual({ calendar: ['mon-fri 08:00-20:00', 'mon sat 09:00-24:00'], free: ['sun', '2026-12-25'] });
    const sent = deckBody({ zone: 'Europe/Paris', ...lines });
    expect(sent).toEqual({ zone: 'Europe/Paris', calendar: { ...calendar, peak: [calendar.peak[0], { ...calendar.peak[1], days: ['mon', 'sat'] }] } });
  });

  it('takes spans of free days and sends what it cannot read', () => {
    expect(deckBody({ calendar: ['noon'], free: ['Sat-Sun', '2026-12-25'] }).calendar).toEqual({ peak: [{ days: [], from: 'noon', till: '' }], free_weekdays: ['sat', 'sun'], free_days: ['2026-12-25'] });
    expect(deckBody({ calendar: [], free: [] }).calendar).toEqual({ peak: [], free_weekdays: [], free_days: [] });
  });

  it('names classes', () => {
    expect(classOf({ hours: 'off_peak', jurisdiction: 'intra' })).toBe('off peak, intra');
    expect(classOf({ hours: 'any', jurisdiction: 'any' })).toBe('');
  });
});
