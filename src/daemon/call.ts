// One call to the daemon, from its request to its answer.

import { answer, type Services } from '../cni/commands.ts';
import { openLog } from '../cni/log.ts';
import { encodeAnswer, type RequestFrame } from './frame.ts';

/**
 * Carries out a call and delivers its answer; an ADD whose answer cannot be delivered is taken back. False if it could
 * not.
 *
 * @param deliver resolves to whether the caller has the answer
 */
export async function serveCall(
  { env, stdin }: RequestFrame,
  services: Omit<Services, 'log'>,
  deliver: (answer: Uint8Array) => Promise<boolean>,
): Promise<boolean> {
  let stderr = '';
  const log = openLog(env, message => {
    stderr += `ecs-ipam: ${message}\n`;
  });
  const { status, stdout, takeBack } = await answer(env, stdin, { ...services, log });
  const isDelivered = await deliver(encodeAnswer({ status, stdout, stderr }));
  if (!isDelivered) await takeBack?.();
  return isDelivered;
}
