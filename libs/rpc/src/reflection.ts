import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server } from '@grpc/grpc-js';

// The contracts as they are shipped: `proto/` at the root of the project, beside `libs/`.
const PROTO_ROOT = fileURLToPath(new URL('../../../proto', import.meta.url));

// A handful of common types, so that generic tools (grpcurl, Postman) can decode error details too.
const ERROR_DETAILS = 'google/rpc/error_details.proto';

const filesOf = (serviceName: string): string[] => {
  const folder = serviceName.split('.').slice(0, -1).join('/');
  return readdirSync(join(PROTO_ROOT, folder))
    .filter((file) => file.endsWith('.proto'))
    .map((file) => `${folder}/${file}`);
};

/** Lets tools discover the services (gRPC server reflection). The loader is only paid for where it is used. */
export const addReflection = async (server: Server, serviceNames: readonly string[]): Promise<void> => {
  if (!existsSync(PROTO_ROOT)) throw new Error(`reflection needs the contracts in ${PROTO_ROOT}`);
  const [{ load }, { ReflectionService }] = await Promise.all([
    import('@grpc/proto-loader'),
    import('@grpc/reflection'),
  ]);
  const files = [...serviceNames.flatMap(filesOf), ERROR_DETAILS];
  const definition = await load(files, { includeDirs: [PROTO_ROOT], keepCase: true });
  new ReflectionService(definition, { services: [...serviceNames] }).addToServer(server);
};
