import {
  MongoAPIError,
  MongoBulkWriteError,
  MongoClientClosedError,
  MongoError,
  MongoErrorLabel,
  MongoNotConnectedError,
  MongoServerClosedError,
  MongoServerError,
  MongoTopologyClosedError,
  MongoWriteConcernError,
  type WriteError,
} from 'mongodb';

const DUPLICATE_KEY = 11_000;

// Server errors after which a write may or may not have happened, or may yet be rolled back.
// https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
const UNCERTAIN_CODES: ReadonlySet<number> = new Set([
  6, // HostUnreachable
  7, // HostNotFound
  50, // MaxTimeMSExpired
  64, // WriteConcernTimeout
  79, // UnknownReplWriteConcern
  89, // NetworkTimeout
  91, // ShutdownInProgress
  100, // UnsatisfiableWriteConcern
  134, // ReadConcernMajorityNotAvailableYet
  189, // PrimarySteppedDown
  262, // ExceededTimeLimit
  9001, // SocketException
  10058, // LegacyNotPrimary
  10107, // NotWritablePrimary
  11_600, // InterruptedAtShutdown
  11_602, // InterruptedDueToReplStateChange
  13_435, // NotPrimaryNoSecondaryOk
  13_436, // NotPrimaryOrSecondary
]);

/** A unique index refused it. In a bulk write: at least one of its items. */
export const isDuplicateKey = (error: unknown): boolean =>
  error instanceof MongoServerError &&
  (error.code === DUPLICATE_KEY ||
    (error instanceof MongoBulkWriteError && writeErrorsOf(error).some(({ code }) => code === DUPLICATE_KEY)));

/**
 * Whether the write may or may not have happened (timeout, network, write concern, step-down): look before writing
 * again. False only for errors that say that it was refused.
 */
export const isUncertain = (error: unknown): boolean => {
  if (!(error instanceof MongoError)) return false;
  if (error instanceof MongoServerError) return isUncertainServerError(error);
  // Of the errors of using the driver only those of a client being closed can hit a write under way.
  return !(error instanceof MongoAPIError) || isClosed(error);
};

const isUncertainServerError = (error: MongoServerError): boolean =>
  error instanceof MongoWriteConcernError ||
  error.hasErrorLabel(MongoErrorLabel.RetryableWriteError) ||
  (typeof error.code === 'number' && UNCERTAIN_CODES.has(error.code)) ||
  (error instanceof MongoBulkWriteError && error.result.getWriteConcernError() !== undefined);

const isClosed = (error: MongoAPIError): boolean =>
  error instanceof MongoClientClosedError ||
  error instanceof MongoNotConnectedError ||
  error instanceof MongoServerClosedError ||
  error instanceof MongoTopologyClosedError;

const writeErrorsOf = ({ writeErrors }: MongoBulkWriteError): readonly WriteError[] => [writeErrors].flat();
