#include "base/cpu.h"

enum cpu_level cpu_level = CPU_PLAIN;

#ifdef __x86_64__
__attribute__((constructor)) static void look(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("popcnt"))
        cpu_level = CPU_AVX2;
}
#endif
