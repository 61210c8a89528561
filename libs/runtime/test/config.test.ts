import { describe, expect, it } from 'vitest';
import { baseSettings, mongoUrl, natsUrl, redisUrl } from '../src/base-config.js';
import {
  choice,
  ConfigError,
  duration,
  flag,
  hostPort,
  integer,
  loadConfig,
  nodes,
  optional,
  rotatingSecret,
  secret,
  text,
  type Env,
} from '../src/config.js';

const SAMPLE = 'a-sample-secret-from-the-repository';

const tree = {
  name: text('X_NAME'),
  nested: {
    listen: hostPort('X_LISTEN', '127.0.0.1:7100'),
    peers: nodes('X_PEERS', 'a-0=127.0.0.1:1'),
    deep: { ttl: duration('X_TTL', '30d'), retries: integer('X_RETRIES', { min: 1, max: 5, fallback: 3 }) },
  },
  mode: choice('X_MODE', ['fast', 'safe'], 'safe'),
  verbose: flag('X_VERBOSE', false),
  region: optional(text('X_REGION')),
  key: secret('X_KEY', SAMPLE),
};

const problemsOf = (env: Env, settings: Parameters<typeof loadConfig>[0] = tree): Record<string, string> => {
  try {
    loadConfig(settings, env);
    return {};
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(error.problems.map(({ variable, message }) => [variable, message]));
  }
};

describe('loadConfig', () => {
  it('gives a nested, typed configuration with its defaults', () => {
    expect(loadConfig(tree, { X_NAME: 'n', X_RETRIES: '5', X_VERBOSE: 'true', X_REGION: '' })).toEqual({
      name: 'n',
      nested: {
        listen: { host: '127.0.0.1', port: 7100 },
        peers: [{ name: 'a-0', host: '127.0.0.1', port: 1 }],
        deep: { ttl: 30 * 86_400_000, retries: 5 },
      },
      mode: 'safe',
      verbose: true,
      region: undefined,
      key: SAMPLE,
    });
  });

  it('tells everything that is wrong at once, by the names of the variables', () => {
    const env = {
      X_LISTEN: 'here',
      X_PEERS: 'a=b',
      X_TTL: '5 minutes',
      X_RETRIES: '6',
      X_MODE: 'slow',
      X_VERBOSE: '1',
    };
    expect(problemsOf(env)).toEqual({
      X_NAME: 'is required',
      X_LISTEN: 'must be host:port',
      X_PEERS: '"b" is not host:port',
      X_TTL: 'must be a duration like 500ms, 5s, 15m, 1h or 30d',
      X_RETRIES: 'must be a whole number from 1 to 5',
      X_MODE: 'must be one of fast, safe',
      X_VERBOSE: 'must be true or false',
    });
    expect(() => loadConfig(tree, env)).toThrow(/can't be used:\n {2}X_NAME is required\n {2}X_LISTEN must/);
  });

  it.each(['0', '-1', '3.5', '1e1', ' ', 'x', '٣'])('refuses the number %j', (value) => {
    const settings = { n: integer('N', { min: 1, max: 5 }) };
    expect(problemsOf({ N: value }, settings)).toHaveProperty('N');
  });
});

describe('secrets', () => {
  const production = { GODWIT_ENV: 'production', X_NAME: 'n' };

  it('fall back to the sample in development only', () => {
    expect(problemsOf({ X_NAME: 'n' })).toEqual({});
    expect(problemsOf(production)).toEqual({ X_KEY: 'is required in production' });
    expect(problemsOf({ ...production, X_KEY: ' ' })).toEqual({ X_KEY: 'is required in production' });
    expect(problemsOf({ ...production, X_KEY: SAMPLE })['X_KEY']).toMatch(/sample/);
    expect(problemsOf({ ...production, X_KEY: 'short' })['X_KEY']).toMatch(/24 characters/);
    expect(problemsOf({ ...production, X_KEY: 'k'.repeat(24) })).toEqual({});
  });

  it('never stand in a message', () => {
    expect(JSON.stringify(problemsOf({ ...production, X_KEY: 'hunter2' }))).not.toContain('hunter2');
  });
});

describe('the settings of every service', () => {
  const settings = { ...baseSettings({ service: 'router', grpcPort: 7100, httpPort: 9100 }), mongoUrl, redisUrl };

  it('have defaults for a local run', () => {
    expect(loadConfig(settings, {})).toMatchObject({
      environment: 'development',
      node: 'router-0',
      namespace: 'godwit',
      grpcListen: { host: '127.0.0.1', port: 7100 },
      tls: undefined,
      logLevel: 'info',
    });
  });

  it('want TLS files together', () => {
    expect(Object.values(problemsOf({ GODWIT_TLS_CERT: 'c.pem' }, settings))).toEqual([
      expect.stringContaining('all three'),
    ]);
    const env = { GODWIT_TLS_CERT: 'c', GODWIT_TLS_KEY: 'k', GODWIT_TLS_CA: 'a' };
    expect(loadConfig(settings, env).tls).toEqual({ cert: 'c', key: 'k', ca: 'a' });
  });

  it('refuse namespaces and nodes that would break names made of them', () => {
    for (const bad of ['a.b', 'A', '1a', 'x*', 'a b', 'x'.repeat(39)]) {
      expect(problemsOf({ GODWIT_NAMESPACE: bad }, settings), bad).toHaveProperty('GODWIT_NAMESPACE');
    }
    expect(problemsOf({ GODWIT_NODE: 'router.0' }, settings)).toHaveProperty('GODWIT_NODE');
    expect(problemsOf({ GODWIT_MONGO_URL: 'http://x' }, settings)).toHaveProperty('GODWIT_MONGO_URL');
  });
});

describe('URLs', () => {
  it.each([
    [mongoUrl, 'mongodb://127.0.0.1:27117/?replicaSet=rs0'],
    [mongoUrl, 'mongodb://godwit:a%40b,c@mongo-0.mongo:27017,mongo-1.mongo:27017,[::1]:27017/godwit?tls=true'],
    [mongoUrl, 'mongodb+srv://godwit:secret@cluster.example.com/?w=majority'],
    [natsUrl, 'nats://127.0.0.1:4222,nats://user:secret@127.0.0.1:4223,127.0.0.1'],
    [redisUrl, 'rediss://:secret@redis-0:6379,redis-1:6379?cluster=true'],
  ])('%o may be %s', (setting, value) => {
    expect(loadConfig({ setting }, { [setting.name]: value })).toEqual({ setting: value });
  });

  it.each([
    [mongoUrl, 'mongodb://'],
    [mongoUrl, 'mongodb://mongo:port/'],
    [mongoUrl, 'mongodb://user:secret@'],
    [mongoUrl, 'mongodb://mongo-0:27017, mongo-1:27017'],
    [natsUrl, 'nats://:4222'],
    [redisUrl, 'redis://redis-0:6379,'],
  ])('%o may not be %s, and its password is not shown', (setting, value) => {
    const [said = ''] = Object.values(problemsOf({ [setting.name]: value }, { setting }));
    expect(said).toMatch(/^must be a URL like \w+:\/\/host:port/);
    expect(said).not.toContain('secret');
  });
});

describe('a secret that is being rotated', () => {
  const settings = { key: rotatingSecret('X_KEY', SAMPLE) };
  const [OLD, NEW] = ['an-old-secret-of-enough-characters', 'a-new-secret-of-enough-characters'] as const;
  const production = (value: string): Env => ({ GODWIT_ENV: 'production', X_KEY: value });

  it('is several, of which the first is used', () => {
    expect(loadConfig(settings, production(OLD))).toEqual({ key: [OLD] });
    expect(loadConfig(settings, production(`${NEW}, ${OLD}`))).toEqual({ key: [NEW, OLD] });
    expect(loadConfig(settings, {})).toEqual({ key: [SAMPLE] });
  });

  it('has none that production would refuse alone', () => {
    expect(problemsOf(production(`${NEW},short`), settings)['X_KEY']).toContain('is shorter than');
    expect(problemsOf(production(`${SAMPLE},${OLD}`), settings)['X_KEY']).toContain('is the sample secret');
    expect(problemsOf(production(`${NEW},`), settings)['X_KEY']).toContain('none of them empty');
    expect(problemsOf({ GODWIT_ENV: 'production' }, settings)['X_KEY']).toBe('is required in production');
  });
});
