/*
 * failpoint.h - places where a test may kill the program.
 *
 * BIJIA_FAILPOINT=NAME or NAME:COUNT in the environment: the COUNT-th time
 * that any thread passes FAILPOINT("NAME") the process kills itself, as kill
 * -9 would. In builds with NDEBUG there are none.
 */
#pragma once

#ifdef NDEBUG
#    define FAILPOINT(name) ((void)0)
#else
#    define FAILPOINT(name) failpoint_pass(name)
void failpoint_pass(const char *name);
#endif
