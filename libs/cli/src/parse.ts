import { InvalidArgumentError } from 'commander';

/** Parsers of options and arguments: what they throw, commander tells beside the option's name. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = Number(text.replace(/^#/, ''));
    if (text === '' || !Number.isSafeInteger(number) || number < least || number > most) {
      const range =
        most === Number.MAX_SAFE_INTEGER ? `${String(least)} or more` : `${String(least)} to ${String(most)}`;
      throw new InvalidArgumentError(`A whole number is wanted, ${range}.`);
    }
    return number;
  };
}

/** ISO 8601, as ms since 1970. */
export function time(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('A time is wanted, like 2026-11-24T10:00.');
  return ms;
}

export function place(text: string): { latitude: number; longitude: number } {
  const [latitude = NaN, longitude = NaN, ...rest] = text.split(',').map(Number);
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180) || rest.length > 0) {
    throw new InvalidArgumentError('Latitude and longitude are wanted, like 64.2,-148.1.');
  }
  return { latitude, longitude };
}

/** `--edge` may be repeated, or name several. */
export function addresses(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',').filter((one) => one !== '')];
}
