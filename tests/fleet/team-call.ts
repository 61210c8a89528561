import { Metadata, type CallOptions, type ClientUnaryCall, type ServiceError } from '@grpc/grpc-js';

/** A unary method of a generated client. */
type Method<Request, Response> = (
  ...call: [
    request: Request,
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: (error: ServiceError | null, response: Response) => void,
  ]
) => ClientUnaryCall;

export interface TeamCaller {
  readonly apiKey: string;
  /** Whom the call acts for. */
  readonly user?: string;
  readonly device?: string;
}

const DEADLINE_MS = 30_000;

/** A call of a generated gRPC client, as an internal team makes it: an API key, a deadline, perhaps an acting user. */
export async function teamCall<Request, Response>(
  method: Method<Request, Response>,
  request: Request,
  { apiKey, user, device }: TeamCaller,
): Promise<Response> {
  const metadata = new Metadata();
  metadata.set('x-api-key', apiKey);
  if (user !== undefined) metadata.set('godwit-user', user);
  if (device !== undefined) metadata.set('godwit-device', device);
  return new Promise((resolve, reject) => {
    method(request, metadata, { deadline: Date.now() + DEADLINE_MS }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}
