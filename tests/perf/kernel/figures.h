/* SPDX-License-Identifier: MIT */
/* The measurements; each reports what it finds through count_report(). */
#ifndef PERF_FIGURES_H
#define PERF_FIGURES_H

void fault_anon(unsigned int n_vcpus);
void fault_uffd(unsigned int n_vcpus);
void fault_paged(unsigned int n_vcpus);
void bulk_all(unsigned int n_vcpus);
void mark_all(unsigned int n_vcpus);
void store_all(unsigned int n_vcpus);
void freeze_all(unsigned int n_vcpus);
void slot_all(unsigned int n_vcpus);
void steps_all(unsigned int n_vcpus);
void huge_all(unsigned int n_vcpus);

#endif
