import { isId } from '@godwit/ids/id';
import { parsePhoneNumberWithError, ParseError } from 'libphonenumber-js';
import { invalid } from './refusal.js';

// Strict readers of what callers send. Each gives the value as it is kept, or refuses naming the field.

const USER_NAME_PATTERN = /^[a-z][a-z0-9_]{2,31}$/;
const EXTERNAL_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const MEDIA_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
// Control characters, and the marks that turn the direction of text: with them a name can pose as another one.
const UNPRINTABLE_PATTERN = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;
const PHONE_MAX_LENGTH = 24;

export const DISPLAY_NAME_MAX = 64;
export const ABOUT_MAX = 256;

export const readId = (value: string, field: string): string => {
  if (!isId(value)) throw invalid(field, 'must be an id of 26 characters');
  return value;
};

/**
 * A phone number in its only spelling (E.164). Numbers that could exist are taken: numbering plans change faster than
 * copies of them, and whether one really exists is shown by the code that arrives there.
 */
export const readPhone = (value: string, field: string): string => {
  const complaint = invalid(field, 'must be a phone number with its country code, like +12025550101');
  if (!value.startsWith('+') || value.length > PHONE_MAX_LENGTH) throw complaint;
  try {
    const parsed = parsePhoneNumberWithError(value, { extract: false });
    if (!parsed.isPossible() || parsed.ext !== undefined) throw complaint;
    return parsed.number;
  } catch (error) {
    if (error instanceof ParseError) throw complaint;
    throw error;
  }
};

export const readUserName = (value: string, field: string): string => {
  if (!USER_NAME_PATTERN.test(value) || value in Object.prototype) {
    throw invalid(field, 'must be 3 to 32 of a-z, 0-9 and _, starting with a letter');
  }
  return value;
};

export const readOptionalUserName = (value: string, field: string): string | undefined =>
  value === '' ? undefined : readUserName(value, field);

export const readExternalId = (value: string, field: string): string => {
  if (!EXTERNAL_ID_PATTERN.test(value) || value in Object.prototype) {
    throw invalid(field, 'must be 1 to 64 of A-Z, a-z, 0-9, _ and -');
  }
  return value;
};

export const readMediaId = (value: string, field: string): string => {
  if (value !== '' && !MEDIA_ID_PATTERN.test(value)) throw invalid(field, 'must be a media id');
  return value;
};

export interface TextRule {
  readonly field: string;
  /** In code points. */
  readonly max: number;
}

export const readText = (value: string, { field, max }: TextRule): string => {
  const text = value.trim().normalize('NFC');
  if (UNPRINTABLE_PATTERN.test(text)) throw invalid(field, 'has characters that cannot be shown');
  if ([...text].length > max) throw invalid(field, `is longer than ${String(max)} characters`);
  return text;
};

export const readDisplayName = (value: string, field: string): string =>
  readText(value, { field, max: DISPLAY_NAME_MAX });

export const readCode = (value: string, field: string): string => {
  if (!/^\d{6}$/.test(value)) throw invalid(field, 'must be 6 digits');
  return value;
};

export interface PageRequest {
  readonly size: number;
  /** The last id of the page before. */
  readonly after: string | undefined;
}

const PAGE_DEFAULT = 100;
const PAGE_MAX = 500;

export const readPage = (size: number, token: string): PageRequest => {
  if (size > PAGE_MAX) throw invalid('page_size', `must be 1 to ${String(PAGE_MAX)}, or 0 for ${String(PAGE_DEFAULT)}`);
  if (token !== '' && !isId(token)) throw invalid('page_token', 'must be the next_page_token of the page before');
  return { size: size === 0 ? PAGE_DEFAULT : size, after: token === '' ? undefined : token };
};

export const readIds = (values: readonly string[], field: string, max: number): readonly string[] => {
  if (values.length > max) throw invalid(field, `has more than ${String(max)} entries`);
  return [...new Set(values.map((value, index) => readId(value, `${field}[${String(index)}]`)))];
};
