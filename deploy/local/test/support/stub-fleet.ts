import { fileURLToPath } from 'node:url';
import type { FleetService } from '@godwit/local-stack/topology';

const main = fileURLToPath(new URL('stub-service.mjs', import.meta.url));

/** A fleet of programs that do nothing but live. */
export const STUB_FLEET: readonly FleetService[] = [
  { service: 'edge', replicas: 1, stopTier: 0, main, public: true },
  {
    service: 'message-store',
    replicas: 2,
    stopTier: 1,
    main,
    called: true,
    env: (site) => ({ GODWIT_SMS_OUTBOX: site.smsOutbox }),
  },
];
