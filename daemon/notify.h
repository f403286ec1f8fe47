/*
 * Telling systemd how we are: one datagram per message to $NOTIFY_SOCKET (sd_notify(3)'s protocol).
 */
#ifndef NARROWD_DAEMON_NOTIFY_H
#define NARROWD_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* "READY=1" and the like. Does nothing without a service manager. */
void notify_send(const char *message);
/* The same of what is said again and again: it is left out rather than waited for, while nobody reads what was said before. */
void notify_again(const char *message);
/* Milliseconds between watchdog messages that keep us alive, 0 for none. */
uint64_t notify_watchdog_ms(void);

/*
 * Where it is wanted, until notify_release() a thread says that the process is at work, as often as the watchdog wants, and
 * that a start may take longer: for what holds up the one thread that would say so otherwise.
 */
void notify_hold(bool wanted);
/* Harmless without notify_hold(). */
void notify_release(void);

#endif
