export { freePort, freePorts } from '@godwit/local-stack/ports';
