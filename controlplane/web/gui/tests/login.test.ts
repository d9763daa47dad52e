/** The second step of a login. */
import { expect, test } from 'vitest';
import { isCodeWanted, Refused } from '../src/api/http';
import { pictured } from '../src/screens/system/SecondFactor';

test('a code is asked for when the password was right, and for no other refusal', () => {
  expect(isCodeWanted(new Refused(401, { code: 'second_factor_wanted' }))).toBe(true);
  expect(isCodeWanted(new Refused(401, { code: 'wrong_credentials' }))).toBe(false);
  expect(isCodeWanted(new Error('no answer'))).toBe(false);
});

test('the picture of a secret is an address that holds no markup', () => {
  const address = pictured('<svg a="#"><path/></svg>');
  expect(address.startsWith('data:image/svg+xml;utf8,')).toBe(true);
  expect(/[<>"#]/.test(address)).toBe(false);
});
