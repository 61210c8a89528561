import { status } from '@grpc/grpc-js';
import { errorInfo } from '@godwit/rpc/rpc-error';

/** What a call was refused with, short enough to compare: `INVALID_ARGUMENT INVALID_ARGUMENT phone`. */
export const refusalOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
  } catch (error) {
    const info = errorInfo(error);
    if (info === undefined) throw error;
    return [status[info.code], info.reason, info.field].filter((part) => part !== undefined).join(' ');
  }
  return 'not refused';
};
