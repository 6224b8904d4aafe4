import type { Fact } from '../ports/memory.ts';
import { sha256 } from './canonical.ts';

/** A text as a fact. Its id is a hash of the text, so equal texts are one fact. */
export const factOf = (text: string): Fact => ({ id: sha256(text).slice(0, 16), text });
