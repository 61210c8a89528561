import { EventEmitter } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  MethodDefinition,
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';

// The contracts as they are shipped: `proto/` at the root of the project, beside `libs/`.
const PROTO_ROOT = fileURLToPath(new URL('../../../proto', import.meta.url));

// A handful of common types, so that generic tools (grpcurl, Postman) can decode error details too.
const ERROR_DETAILS = 'google/rpc/error_details.proto';

const PATHS = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
] as const;

const filesOf = (serviceName: string): string[] => {
  const folder = serviceName.split('.').slice(0, -1).join('/');
  return readdirSync(join(PROTO_ROOT, folder))
    .filter((file) => file.endsWith('.proto'))
    .map((file) => `${folder}/${file}`);
};

interface Loaded {
  readonly definition: MethodDefinition<object, object>;
  readonly handle: (call: unknown) => void;
}

/** What the reflection library would add to a server, by path. */
const load = async (serviceNames: readonly string[]): Promise<ReadonlyMap<string, Loaded>> => {
  const [loader, { ReflectionService }] = await Promise.all([import('@grpc/proto-loader'), import('@grpc/reflection')]);
  const files = [...serviceNames.flatMap(filesOf), ERROR_DETAILS];
  const contracts = await loader.load(files, { includeDirs: [PROTO_ROOT], keepCase: true });
  const loaded = new Map<string, Loaded>();
  const collect = (service: ServiceDefinition, implementation: UntypedServiceImplementation): void => {
    for (const [name, definition] of Object.entries(service)) {
      const handle = (implementation[name] ?? implementation[definition.originalName ?? '']) as Loaded['handle'];
      loaded.set(definition.path, { definition: definition as MethodDefinition<object, object>, handle });
    }
  };
  const collector = { addService: collect } as unknown as Server;
  new ReflectionService(contracts, { services: [...serviceNames] }).addToServer(collector);
  return loaded;
};

const same = (bytes: Buffer): Buffer => bytes;

/**
 * Lets tools discover the services (gRPC server reflection). The library and the contracts take 14 MiB, which a process
 * pays only once somebody asks.
 */
export const addReflection = (server: Server, serviceNames: readonly string[]): void => {
  if (!existsSync(PROTO_ROOT)) throw new Error(`reflection needs the contracts in ${PROTO_ROOT}`);
  let loading: Promise<ReadonlyMap<string, Loaded>> | undefined;
  for (const path of PATHS) {
    const raw: MethodDefinition<Buffer, Buffer> = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    const serverReflectionInfo = (call: ServerDuplexStream<Buffer, Buffer>): void => {
      loading ??= load(serviceNames);
      loading.then(
        (methods) => {
          const method = methods.get(path);
          if (method === undefined) call.destroy(new Error(`the reflection library has no ${path}`));
          else answer(call, method);
        },
        (error: unknown) => {
          loading = undefined;
          call.destroy(error instanceof Error ? error : new Error(String(error)));
        },
      );
    };
    server.addService({ serverReflectionInfo: raw }, { serverReflectionInfo });
  }
};

/** Runs the library's handler on the bytes of the call. */
const answer = (call: ServerDuplexStream<Buffer, Buffer>, { definition, handle }: Loaded): void => {
  const typed = Object.assign(new EventEmitter(), {
    write: (response: object) => call.write(definition.responseSerialize(response)),
    end: () => call.end(),
  });
  handle(typed);
  call.on('data', (bytes: Buffer) => typed.emit('data', definition.requestDeserialize(bytes)));
  call.on('end', () => typed.emit('end'));
};
