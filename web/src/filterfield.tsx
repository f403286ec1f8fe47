/** The field in which trials are looked for, with what may come next below it. */
import { useId, useRef, useState } from "preact/hooks";
import type { Completion } from "./filter";

/**
 * Everything that a key does goes by what stands in the field and by what the key before has chosen: a quick hand
 * does not wait until that is drawn.
 */
export function FilterField(props: { value: string; onChange: (text: string) => void; options: (text: string, caret: number) => Completion; faults: string[] }) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const now = useRef<{ offer: Completion | undefined; at: number }>({ offer: undefined, at: -1 });
  const [, draw] = useState({});
  const { offer, at } = now.current;
  const open = offer !== undefined && offer.options.length > 0;
  const show = (next: Completion | undefined, first = -1) => {
    now.current = { offer: next, at: first };
    draw({});
  };
  const look = (first = -1) => {
    const field = input.current;
    if (field) show(props.options(field.value, field.selectionStart ?? field.value.length), first);
  };
  const take = (index: number) => {
    const field = input.current;
    const chosen = now.current.offer;
    const option = chosen?.options[index];
    if (!field || !chosen || !option) return;
    const more = /[:<=]$/.test(option.text) ? "" : " ";
    field.value = field.value.slice(0, chosen.from) + option.text + more + field.value.slice(chosen.to).trimStart();
    const caret = chosen.from + option.text.length + more.length;
    field.setSelectionRange(caret, caret);
    props.onChange(field.value);
    if (more === "") look();
    else show(undefined);
  };
  const key = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const { offer: offered, at: chosen } = now.current;
    const count = offered?.options.length ?? 0;
    if (event.key === "Escape" && count > 0) show(undefined);
    else if (by !== undefined && count > 0) show(offered, (chosen + by + (chosen < 0 && by < 0 ? 1 : 0) + count) % count);
    else if (by !== undefined) look(0);
    else if ((event.key === "Enter" || event.key === "Tab") && count > 0 && chosen >= 0) take(chosen);
    else return;
    event.preventDefault();
  };
  return (
    <div class="search completed">
      <label for={id}>Filter</label>
      <input
        id={id}
        ref={input}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        placeholder="state:failed  loss<1%  op:conv1=int8  words"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={open && at >= 0 ? `${id}-${at}` : undefined}
        aria-invalid={props.faults.length > 0}
        aria-describedby={props.faults.length > 0 ? `${id}-faults` : undefined}
        value={props.value}
        onInput={(event) => {
          props.onChange(event.currentTarget.value);
          look();
        }}
        onKeyDown={key}
        onClick={() => look()}
        onBlur={() => show(undefined)}
      />
      <ul id={`${id}-list`} role="listbox" aria-label="What may come next" class="options" hidden={!open}>
        {offer?.options.map((option, i) => (
          <li
            key={option.text}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at}
            onMouseDown={(event) => {
              event.preventDefault();
              take(i);
            }}
          >
            <code>{option.text}</code> <span class="note">{option.hint}</span>
          </li>
        ))}
      </ul>
      {props.faults.length > 0 && (
        <p id={`${id}-faults`} class="error">
          {props.faults.join("; ")}
        </p>
      )}
    </div>
  );
}
