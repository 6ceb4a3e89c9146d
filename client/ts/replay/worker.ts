// Fetches frames and takes them apart, beside the page, which goes on drawing.

import { type FrameState, reason } from "./api.js";
import { pack } from "./frame.js";
import type { Asked, Told } from "./frames.js";

addEventListener("message", ({ data }: MessageEvent<Asked>) => void answer(data));

async function answer({ id, path }: Asked): Promise<void> {
  const tell = (told: Told, transfer: Transferable[] = []): void => postMessage(told, { transfer });
  let said: Response;
  try {
    said = await fetch(path);
  } catch {
    return tell({ id, isGone: true });
  }
  try {
    if (!said.ok) return tell({ id, refusal: await reason(said, path) });
    const { frames } = (await said.json()) as { frames: FrameState[] };
    const packed = frames.map(({ tick, entities }) => pack(tick, entities));
    tell(
      { id, frames: packed },
      packed.flatMap(({ ids, numbers }) => [ids.buffer, numbers.buffer]),
    );
  } catch (error) {
    tell({ id, refusal: String(error) });
  }
}
