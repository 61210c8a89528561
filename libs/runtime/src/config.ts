import { parseHostPort, parseNodes, type NodeAddress } from '@godwit/ring/node-address';
import { z } from 'zod';

export type Env = Readonly<Record<string, string | undefined>>;

/** Reads one value from the environment; `name` is the variable that problems are reported under. */
export interface Setting<T> {
  readonly name: string;
  readonly secret: boolean;
  /** @throws z.ZodError or RangeError whose message completes the sentence "NAME ..." */
  read(env: Env): T;
}

/** A tree of settings has the shape of the configuration it gives. */
export interface SettingTree {
  readonly [key: string]: Setting<unknown> | SettingTree;
}

export type ConfigOf<T> =
  T extends Setting<infer V> ? V : { readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : ConfigOf<T[K]> };

export interface ConfigProblem {
  readonly variable: string;
  readonly message: string;
}

/** Everything that is wrong with the environment, in one message that names the variables. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ variable, message }) => `  ${variable} ${message}`);
    super(`The configuration can't be used:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

const isSetting = (node: Setting<unknown> | SettingTree): node is Setting<unknown> =>
  typeof node['read'] === 'function';

const describe = (error: unknown): string => {
  if (error instanceof z.ZodError) return error.issues.map((issue) => issue.message).join('; ');
  if (error instanceof RangeError) return error.message;
  throw error;
};

/**
 * Reads the whole configuration, or says at once all that is wrong with it.
 * @throws ConfigError
 */
export const loadConfig = <const T extends SettingTree>(tree: T, env: Env): ConfigOf<T> => {
  const problems: ConfigProblem[] = [];
  const readTree = (node: SettingTree): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(node).map(([key, child]) => [key, isSetting(child) ? readSetting(child) : readTree(child)]),
    );
  const readSetting = (setting: Setting<unknown>): unknown => {
    try {
      return setting.read(env);
    } catch (error) {
      problems.push({ variable: setting.name, message: describe(error) });
      return undefined;
    }
  };
  const config = readTree(tree);
  if (problems.length > 0) throw new ConfigError(problems);
  return config as ConfigOf<T>;
};

/** The environment's name decides which secrets are acceptable; read in one place. */
export const isProduction = (env: Env): boolean => env['GODWIT_ENV'] === 'production';

// An empty variable is an unset one: manifests and shells make them by accident.
const rawValue = (env: Env, name: string): string | undefined => {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
};

/** A setting of its own kind: `schema` gets the text of the variable, or `fallback` where it is unset. */
export const setting = <T>(name: string, schema: z.ZodType<T, string>, fallback?: string): Setting<T> => ({
  name,
  secret: false,
  read: (env) => {
    const raw = rawValue(env, name) ?? fallback;
    if (raw === undefined) throw new RangeError('is required');
    return schema.parse(raw);
  },
});

/** The same setting, undefined where the variable is unset. */
export const optional = <T>(inner: Setting<T>): Setting<T | undefined> => ({
  ...inner,
  read: (env) => (rawValue(env, inner.name) === undefined ? undefined : inner.read(env)),
});

/** Refines with the message of the RangeError that `parse` throws. */
const parsedBy = <T>(parse: (text: string) => T): z.ZodType<T, string> =>
  z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: describe(error) });
      return z.NEVER;
    }
  });

export const text = (name: string, fallback?: string): Setting<string> => setting(name, z.string(), fallback);

export const choice = <const V extends string>(name: string, values: readonly V[], fallback?: V): Setting<V> =>
  setting(name, z.enum(values, { error: `must be one of ${values.join(', ')}` }), fallback);

/** `true` or `false`, nothing else. */
export const flag = (name: string, fallback?: boolean): Setting<boolean> =>
  setting(
    name,
    z.enum(['true', 'false'], { error: 'must be true or false' }).transform((value) => value === 'true'),
    fallback === undefined ? undefined : String(fallback),
  );

export interface IntegerRange {
  readonly min?: number;
  readonly max?: number;
  readonly fallback?: number;
}

export const integer = (
  name: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER, fallback }: IntegerRange = {},
): Setting<number> =>
  setting(
    name,
    parsedBy((value) => {
      const number = /^-?\d{1,16}$/.test(value) ? Number(value) : NaN;
      if (!(number >= min && number <= max)) {
        throw new RangeError(`must be a whole number from ${String(min)} to ${String(max)}`);
      }
      return number;
    }),
    fallback === undefined ? undefined : String(fallback),
  );

/** A share: a decimal from 0 to 1. */
export const fraction = (name: string, fallback?: number): Setting<number> =>
  setting(
    name,
    parsedBy((value) => {
      const number = /^\d(\.\d{1,9})?$/.test(value) ? Number(value) : NaN;
      if (!(number <= 1)) throw new RangeError('must be a decimal from 0 to 1, like 0.01');
      return number;
    }),
    fallback === undefined ? undefined : String(fallback),
  );

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `500ms`, `5s`, `15m`, `1h`, `30d` in milliseconds. */
export const parseDuration = (value: string): number => {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(value);
  const unit = match?.[2] as keyof typeof UNIT_MS | undefined;
  if (unit === undefined) throw new RangeError('must be a duration like 500ms, 5s, 15m, 1h or 30d');
  return Number(match?.[1]) * UNIT_MS[unit];
};

/** A duration, in milliseconds. */
export const duration = (name: string, fallback?: string): Setting<number> =>
  setting(name, parsedBy(parseDuration), fallback);

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const readHostPort = (value: string): HostPort => {
  try {
    return parseHostPort(value);
  } catch {
    throw new RangeError('must be host:port');
  }
};

export const hostPort = (name: string, fallback?: string): Setting<HostPort> =>
  setting(name, parsedBy(readHostPort), fallback);

/** `name=host:port,name=host:port`: the replicas of a service. */
export const nodes = (name: string, fallback?: string): Setting<readonly NodeAddress[]> =>
  setting(name, parsedBy(parseNodes), fallback);

const HOST = String.raw`(?:[^@/\s]*@)?(?:[\w.%-]+|\[[\da-f:]+\])(?::\d{1,5})?`;
/** What follows the scheme; NATS repeats it for each host. */
const HOSTS = new RegExp(String.raw`^${HOST}(?:,(?:[a-z]+://)?${HOST})*(?:[/?]\S*)?$`, 'i');

/** A URL with one of the schemes, as text (MongoDB and Redis list several hosts, which URL objects refuse). */
export const url = (name: string, schemes: readonly string[], fallback?: string): Setting<string> => {
  const starts = schemes.map((scheme) => `${scheme}://`);
  const schema = z
    .string()
    .refine((value) => starts.some((start) => value.startsWith(start)), {
      error: `must be a URL starting with ${starts.join(' or ')}`,
      abort: true,
    })
    // What is wrong is not shown: there may be a password in it.
    .refine((value) => HOSTS.test(value.slice(value.indexOf('://') + 3)), {
      error: `must be a URL like ${starts[0] ?? ''}host:port, several hosts separated by commas`,
    });
  return setting(name, schema, fallback);
};

/** Fewer characters than this can be guessed. */
const SECRET_MIN_LENGTH = 24;

/**
 * A secret. Development falls back to the sample that stands in the repository; production wants a real one: set, not
 * the sample, and of 24 characters or more.
 */
export const secret = (name: string, sample: string): Setting<string> => ({
  name,
  secret: true,
  read: (env) => {
    const value = rawValue(env, name);
    if (!isProduction(env)) return value ?? sample;
    if (value === undefined) throw new RangeError('is required in production');
    refuseWeak(value, sample);
    return value;
  },
});

const refuseWeak = (value: string, sample: string): void => {
  if (value === sample) throw new RangeError('is the sample secret, which production refuses');
  if (value.length < SECRET_MIN_LENGTH) {
    throw new RangeError(`is shorter than the ${String(SECRET_MIN_LENGTH)} characters production asks of a secret`);
  }
};

/** While a secret is being rotated there are several: the first is used, all are accepted. */
export type RotatingSecret = readonly [used: string, ...accepted: string[]];

/** A secret that can be rotated without a pause: `used`, or `used,accepted,...` meanwhile. */
export const rotatingSecret = (name: string, sample: string): Setting<RotatingSecret> => ({
  name,
  secret: true,
  read: (env) => {
    const [used = '', ...accepted] = (rawValue(env, name) ?? '').split(',').map((part) => part.trim());
    if (used === '' && accepted.length === 0) return [secret(name, sample).read(env)];
    const all: RotatingSecret = [used, ...accepted];
    if (all.includes(''))
      throw new RangeError('must be one secret, or several separated by commas, none of them empty');
    if (isProduction(env)) for (const one of all) refuseWeak(one, sample);
    return all;
  },
});
