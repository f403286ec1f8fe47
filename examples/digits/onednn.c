/* What is the same for all releases of oneDNN. */
#include "onednn.h"

#include <string.h>

bool dnn_init(struct dnn *dnn)
{
	return dnnl_engine_create(&dnn->engine, dnnl_cpu, 0) == dnnl_success &&
	       dnnl_stream_create(&dnn->stream, dnn->engine, dnnl_stream_default_flags) ==
		       dnnl_success;
}

void dnn_finish(struct dnn *dnn)
{
	for (size_t i = 0; i < dnn->step_count; i++) {
		(void)dnnl_primitive_destroy(dnn->steps[i].primitive);
	}
	for (size_t i = 0; i < dnn->memory_count; i++) {
		(void)dnnl_memory_destroy(dnn->memories[i]);
	}
	(void)dnnl_stream_destroy(dnn->stream);
	(void)dnnl_engine_destroy(dnn->engine);
}

bool dnn_run(struct dnn *dnn)
{
	for (size_t i = 0; i < dnn->step_count; i++) {
		const struct dnn_step *step = &dnn->steps[i];

		if (dnnl_primitive_execute(step->primitive, dnn->stream, step->arg_count,
					   step->args) != dnnl_success) {
			return false;
		}
	}
	return dnnl_stream_wait(dnn->stream) == dnnl_success;
}

void *dnn_handle(dnnl_memory_t memory)
{
	void *handle = NULL;

	(void)dnnl_memory_get_data_handle(memory, &handle);
	return handle;
}

dnn_desc dnn_desc_of(dnnl_memory_t memory)
{
	dnn_desc desc = NULL;

	(void)dnnl_memory_get_memory_desc(memory, &desc);
	return desc;
}

size_t dnn_size(dnnl_memory_t memory)
{
	return dnnl_memory_desc_get_size(dnn_desc_of(memory));
}

bool dnn_add_memory(struct dnn *dnn, dnn_desc desc, dnnl_memory_t *memory)
{
	if (dnnl_memory_create(memory, desc, dnn->engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) {
		return false;
	}
	dnn->memories[dnn->memory_count++] = *memory;
	return true;
}

bool dnn_add_shape(struct dnn *dnn, const struct dnn_shape *shape, dnnl_memory_t *memory)
{
	if (!dnn_new_memory(dnn, shape, memory)) {
		return false;
	}
	dnn->memories[dnn->memory_count++] = *memory;
	return true;
}

bool dnn_add_step(struct dnn *dnn, dnnl_primitive_desc_t desc, const dnnl_exec_arg_t *args,
		  int arg_count)
{
	struct dnn_step *step = &dnn->steps[dnn->step_count];
	bool done = dnnl_primitive_create(&step->primitive, desc) == dnnl_success;

	(void)dnnl_primitive_desc_destroy(desc);
	if (done) {
		memcpy(step->args, args, (size_t)arg_count * sizeof(*args));
		step->arg_count = arg_count;
		dnn->step_count++;
	}
	return done;
}

bool dnn_reorder(struct dnn *dnn, dnnl_memory_t from, dnnl_memory_t to)
{
	dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
	dnnl_primitive_desc_t desc = NULL;
	dnnl_primitive_t primitive = NULL;
	bool done = dnnl_reorder_primitive_desc_create(&desc, dnn_desc_of(from), dnn->engine,
						       dnn_desc_of(to), dnn->engine,
						       NULL) == dnnl_success &&
		    dnnl_primitive_create(&primitive, desc) == dnnl_success &&
		    dnnl_primitive_execute(primitive, dnn->stream, 2, args) == dnnl_success &&
		    dnnl_stream_wait(dnn->stream) == dnnl_success;

	(void)dnnl_primitive_destroy(primitive);
	(void)dnnl_primitive_desc_destroy(desc);
	return done;
}
