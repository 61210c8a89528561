/** NATS is away, or didn't store a job in time. Jobs wait with whoever has them; presence is dropped. */
export class BusUnavailable extends Error {
  override readonly name = 'BusUnavailable';

  constructor(cause: unknown) {
    super('the bus is unavailable', { cause });
  }
}
