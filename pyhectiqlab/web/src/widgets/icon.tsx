// The few pictures that the pages need, drawn in the colour of the text.

const PATHS = {
  expand: 'M9.5 2.5h4v4M13.5 2.5l-5 5M6.5 13.5h-4v-4M2.5 13.5l5-5',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  check: 'M3 8.5l3.5 3.5L13 4.5',
  search: 'M11 7a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM10 10l3.5 3.5',
  up: 'M8 12.5v-9M4.5 7L8 3.5 11.5 7',
  down: 'M8 3.5v9M4.5 9L8 12.5 11.5 9',
  chevron: 'M6 3.5L10.5 8 6 12.5',
  eye: 'M1.5 8c2-3.6 4.1-5 6.5-5s4.5 1.4 6.5 5c-2 3.6-4.1 5-6.5 5S3.5 11.6 1.5 8zM10 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0z',
  closedEye: 'M1.5 7c2 3 4.1 4.2 6.5 4.2S12.5 10 14.5 7M4 10l-1 1.8M8 11.2v2.1M12 10l1 1.8',
  edit: 'M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4z',
  pin: 'M6 2.5h4M6.5 2.5v4L4.5 9.5h7L9.5 6.5v-4M8 9.5v4',
  goal: 'M8 2.2l1.8 3.7 4 .6-2.9 2.8.7 4L8 11.4l-3.6 1.9.7-4L2.2 6.5l4-.6z',
  more: 'M3.4 8a.6.6 0 1 1 1.2 0 .6.6 0 1 1-1.2 0zM7.4 8a.6.6 0 1 1 1.2 0 .6.6 0 1 1-1.2 0zM11.4 8a.6.6 0 1 1 1.2 0 .6.6 0 1 1-1.2 0z',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

export function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--accent-strong)" />
      <path d="M6 9c3 0 4 13 8 13s4-9 7-9 3 6 5 6" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
