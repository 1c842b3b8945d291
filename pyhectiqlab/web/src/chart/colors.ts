// Run colours, told apart in light and dark and by most colour-blind readers; given by position, so that a link keeps them.

const PALETTE = [
  '#5476f7', // indigo
  '#f08c00', // orange
  '#12a37f', // teal
  '#e64980', // pink
  '#8a63d2', // violet
  '#0ea5d8', // sky
  '#a3742c', // brown
  '#74b816', // lime
  '#d6336c', // raspberry
  '#868e96', // grey
] as const;

export function colorOf(index: number): string {
  return PALETTE[index % PALETTE.length]!;
}
