/*
 * narrowd doctor: what is wrong with this machine, its settings and its data, without a daemon, or beside it.
 */
#ifndef NARROWD_DAEMON_DOCTOR_H
#define NARROWD_DAEMON_DOCTOR_H

/* Reads settings from the arguments, prints what every check says, with the cure. Returns the exit status: 0, or 1 when
 * something was found. */
int doctor_run(int argc, char **argv);

#endif
