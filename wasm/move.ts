/**
 * Moves bytes from one place of a memory to another.
 *
 * In memory that threads share, what JavaScript has for it (`set`, `copyWithin`) goes byte by byte where source and
 * target are not aligned alike.
 */
export function move(to: usize, from: usize, length: usize): void {
  memory.copy(to, from, length);
}
