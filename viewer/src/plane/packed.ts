// Numbers out of base64, as the page carries them.

import type { Packed } from "./record";

function bytesOf(data: string): ArrayBuffer {
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

export function unpacked({ type, data }: Packed): Float64Array {
  const bytes = bytesOf(data);
  if (type === "f8") return new Float64Array(bytes);
  return Float64Array.from(
    type === "f4" ? new Float32Array(bytes) : new Uint8Array(bytes),
  );
}

export function flags({ data }: Packed): Uint8Array {
  return new Uint8Array(bytesOf(data));
}
