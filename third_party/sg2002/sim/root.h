#ifndef MAIXSIM_ROOT_H
#define MAIXSIM_ROOT_H

/* Lays out the files of a board below dir. board: "maixcam", "maixcam_pro" or "none". Returns an exit code. */
int root_make(const char *dir, const char *board);

#endif
