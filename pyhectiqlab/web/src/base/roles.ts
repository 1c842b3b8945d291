// The roles that somebody may have in a lab or in a project.

import type { UserAnswer } from '../schema/lab';

export type LabRole = UserAnswer['role'];
/** The roles that can be given, in the lab and in a project. */
export type Role = Exclude<LabRole, 'owner'>;

export const ROLES: readonly Role[] = ['viewer', 'member', 'admin'];

export function isAdmin(role: LabRole | undefined): boolean {
  return role === 'admin' || role === 'owner';
}
