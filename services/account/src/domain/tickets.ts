import type { Clock } from '@godwit/runtime/clock';
import type { Actor } from './model.js';
import type { DeviceRegistry, Secrets, TicketStore } from './ports.js';

const TICKET_VALID_MS = 60_000;
const TICKET_PATTERN = /^[A-Za-z0-9_-]{43}$/;

export interface TicketDeps {
  readonly clock: Clock;
  readonly secrets: Secrets;
  readonly tickets: TicketStore;
  readonly devices: DeviceRegistry;
  /** How long a socket opened with a ticket may live before it has to show a token. */
  readonly accessMs: number;
}

export interface RedeemedTicket extends Actor {
  readonly tokenExpiresAt: number;
}

export const createTickets = ({ clock, secrets, tickets, devices, accessMs }: TicketDeps) => ({
  create: async (actor: Actor): Promise<{ readonly ticket: string; readonly expiresAt: number }> => {
    const ticket = secrets.newToken();
    const now = clock.now();
    const expiresAt = now + TICKET_VALID_MS;
    await tickets.insert({ hash: secrets.tokenHash(ticket), ...actor, expiresAt, tokenExpiresAt: now + accessMs });
    return { ticket, expiresAt };
  },

  /** Uses it up; undefined: unknown, used, expired, or its device is gone. */
  redeem: async (ticket: string): Promise<RedeemedTicket | undefined> => {
    if (!TICKET_PATTERN.test(ticket)) return undefined;
    const found = await tickets.take(secrets.tokenHash(ticket));
    if (found === undefined || found.expiresAt <= clock.now()) return undefined;
    const { userId, deviceId, tokenExpiresAt } = found;
    return (await devices.stands(userId, deviceId)) ? { userId, deviceId, tokenExpiresAt } : undefined;
  },
});

export type Tickets = ReturnType<typeof createTickets>;
