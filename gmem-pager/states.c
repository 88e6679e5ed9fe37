// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "secmem.h"
#include "states.h"

void states_init(struct states *states)
{
	memset(states, 0, sizeof(*states));
}

void states_fini(struct states *states)
{
	size_t i;

	for (i = 0; i < GMEM_MAX_STATES; i++)
		secmem_free((void *)(uintptr_t)states->states[i].data);
	states_init(states);
}

static int begin_state(struct states *states, const struct states_part *part)
{
	struct gmem_state *state = &states->states[states->n_filled];
	uint32_t i;

	if (part->n_states == 0 || part->n_states > GMEM_MAX_STATES || part->index >= part->n_states)
		return -EPROTO;
	if (states->n_states != 0 && states->n_states != part->n_states)
		return -EPROTO;
	if (part->total_len > GMEM_MAX_STATE_LEN || part->name[0] == '\0' ||
	    memchr(part->name, '\0', sizeof(part->name)) == NULL)
		return -EPROTO;
	for (i = 0; i < states->n_filled; i++)
		if (strcmp(states->states[i].name, part->name) == 0)
			return -EPROTO;
	state->data = secmem_alloc(part->total_len);
	if (state->data == NULL)
		return -ENOMEM;
	strcpy(state->name, part->name);
	state->data_len = part->total_len;
	states->n_states = part->n_states;
	return 0;
}

int states_add(struct states *states, const struct states_part *part, const void *data, size_t len)
{
	struct gmem_state *state;
	int r;

	if (part->index != states->n_filled || part->index >= GMEM_MAX_STATES || part->offset != states->offset)
		return -EPROTO;
	state = &states->states[part->index];
	if (part->offset == 0) {
		r = begin_state(states, part);
		if (r < 0)
			return r;
	}
	if (part->total_len != state->data_len || part->n_states != states->n_states ||
	    strncmp(part->name, state->name, sizeof(part->name)) != 0)
		return -EPROTO;
	if (len > state->data_len - part->offset || (len == 0 && state->data_len > 0))
		return -EPROTO;
	memcpy((uint8_t *)(uintptr_t)state->data + part->offset, data, len);
	states->offset += (uint32_t)len;
	if (states->offset == state->data_len) {
		states->n_filled++;
		states->offset = 0;
	}
	return 0;
}

int states_check(const struct states *states, uint32_t n_states)
{
	return states->n_states == n_states && states->n_filled == n_states && states->offset == 0 ? 0 : -EPROTO;
}

bool states_equal(const struct states *states, const struct states *other)
{
	uint32_t i;

	if (states->n_filled != other->n_filled)
		return false;
	for (i = 0; i < states->n_filled; i++) {
		const struct gmem_state *one = &states->states[i], *two = &other->states[i];

		if (strcmp(one->name, two->name) != 0 || one->data_len != two->data_len ||
		    (one->data_len > 0 && memcmp(one->data, two->data, one->data_len) != 0))
			return false;
	}
	return true;
}
