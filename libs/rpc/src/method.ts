// Types over the service definitions that ts-proto generates (`RouterServiceService` and its like).

export interface AnyMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: never) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (value: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

/** A gRPC service: its methods by their names in lowerCamelCase. */
export type Definition = Readonly<Record<string, AnyMethod>>;

export type RequestOf<M extends AnyMethod> = ReturnType<M['requestDeserialize']>;
export type ResponseOf<M extends AnyMethod> = ReturnType<M['responseDeserialize']>;

interface Unary {
  readonly requestStream: false;
  readonly responseStream: false;
}
interface ServerStreaming {
  readonly requestStream: false;
  readonly responseStream: true;
}
interface Bidirectional {
  readonly requestStream: true;
  readonly responseStream: true;
}

export type MethodKind<M extends AnyMethod> = M extends Unary
  ? 'unary'
  : M extends ServerStreaming
    ? 'server-streaming'
    : M extends Bidirectional
      ? 'bidirectional'
      : 'client-streaming';

type NamesOfKind<D extends Definition, Kind extends string> = {
  [N in keyof D]: MethodKind<D[N]> extends Kind ? N : never;
}[keyof D] &
  string;

export type UnaryName<D extends Definition> = NamesOfKind<D, 'unary'>;
export type ServerStreamingName<D extends Definition> = NamesOfKind<D, 'server-streaming'>;
export type BidirectionalName<D extends Definition> = NamesOfKind<D, 'bidirectional'>;

/** `/godwit.router.v1.RouterService/SendMessage` -> `godwit.router.v1.RouterService`. */
export const serviceNameOf = (definition: Definition): string => {
  const method = Object.values(definition)[0];
  if (method === undefined) throw new Error('a service without methods');
  return method.path.slice(1, method.path.indexOf('/', 1));
};
