const LINES = 12;
// What a service says while all is well is not why it ended.
const TROUBLE = ['warn', 'error', 'fatal'];

/** The end of a log for people: of a service's JSON lines what went wrong, without the stacks; other lines as they are. */
export function lastWords(log: string): string {
  const lines = log.trimEnd().split('\n');
  const words = lines.flatMap((line) => readable(line) ?? []);
  return (words.length > 0 ? words : lines).slice(-LINES).join('\n');
}

function readable(line: string): string | undefined {
  const entry = parse(line);
  if (entry === undefined) return line;
  if (!TROUBLE.includes(String(entry['level']))) return undefined;
  const { err, msg } = entry;
  const why = isRecord(err) && typeof err['message'] === 'string' ? `: ${err['message']}` : '';
  return `  ${String(msg)}${why}`;
}

/** A line of a structured log. */
function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) && 'level' in value && 'msg' in value ? value : undefined;
  } catch {
    // A line that starts with a brace by chance, or was cut off.
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
