import { EventEmitter } from 'node:events';
import type {
  MethodDefinition,
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { EnumTypeDefinition } from '@grpc/proto-loader';

const PATHS = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
] as const;

const HEALTH = 'grpc.health.v1.Health';

interface Loaded {
  readonly definition: MethodDefinition<object, object>;
  readonly handle: (call: unknown) => void;
}

/** What the reflection library would add to a server, by path. */
const load = async (serviceNames: readonly string[]): Promise<ReadonlyMap<string, Loaded>> => {
  const [{ ReflectionService }, { fileDescriptors }] = await Promise.all([
    import('@grpc/reflection'),
    import('@godwit/proto/gen/file-descriptors'),
  ]);
  // Those of buf: proto-loader merges the files of a package and shortens names, which stricter tools (grpcurl) refuse.
  const files = fileDescriptors.map((file) => Buffer.from(file, 'base64'));
  const contracts: EnumTypeDefinition = {
    // Any type serves: the library reads the files of it and nothing else.
    format: 'Protocol Buffer 3 EnumDescriptorProto',
    type: {},
    fileDescriptorProtos: files,
  };
  const loaded = new Map<string, Loaded>();
  const collect = (service: ServiceDefinition, implementation: UntypedServiceImplementation): void => {
    for (const [name, definition] of Object.entries(service)) {
      const handle = (implementation[name] ?? implementation[definition.originalName ?? '']) as Loaded['handle'];
      loaded.set(definition.path, { definition: definition as MethodDefinition<object, object>, handle });
    }
  };
  const collector = { addService: collect } as unknown as Server;
  new ReflectionService({ contracts }, { services: [...serviceNames, HEALTH] }).addToServer(collector);
  return loaded;
};

const same = (bytes: Buffer): Buffer => bytes;

/**
 * Lets tools discover the services (gRPC server reflection). The library and the contracts take 14 MiB, which a process
 * pays only once somebody asks.
 */
export const addReflection = (server: Server, serviceNames: readonly string[]): void => {
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
